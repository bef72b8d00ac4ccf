"""How a function that programs call is compiled: written out in place of each call, or once, as a subprogram.

The mark is an attribute of the function itself, which stays the plain Python function that it is.
"""

from __future__ import annotations

import enum
import types
from typing import TypeVar

from bpfvm.core.errors import UsageError

_MARK = "__bpf_placement__"
F = TypeVar("F")


class Placement(enum.Enum):
    """INLINE: a copy at each call, which knows what its caller knows. FUNC: one copy, which the kernel verifies with
    its callers (a static function). GLOBAL: one copy that is verified by itself, whatever its arguments are."""

    INLINE = "inline"
    FUNC = "func"
    GLOBAL = "global_func"


def place(function: F, placement: Placement) -> F:
    """Mark `function`, and return it. UsageError for what is no plain Python function."""
    if not isinstance(function, types.FunctionType):
        raise UsageError(f"bpf.{placement.value} marks a plain Python function, not {function!r}")
    setattr(function, _MARK, placement)
    return function


def placement_of(function: types.FunctionType) -> Placement:
    """How a function is marked; INLINE where it is not."""
    found = getattr(function, _MARK, Placement.INLINE)
    return found if isinstance(found, Placement) else Placement.INLINE
