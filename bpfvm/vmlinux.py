"""The kernel's types by name: `from bpfvm.vmlinux import task_struct, sock, enum`.

They are read from BTF when a name is asked for: from the file that `load` was given, or that the environment variable
BPFVM_BTF names (another kernel's, to compile for it), or from the running kernel's own /sys/kernel/btf/vmlinux.

    task_struct.fields          what it has, by name: offset, type, bits
    task_struct.pid.offset      hasattr(task_struct, "__state")      task_struct.sizeof
    enum.TCP_SYN_SENT           an enumerator of any enum
"""

from __future__ import annotations

import difflib
import os
import sys
from functools import cached_property
from opcode import opmap
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import BpfvmError, UsageError
from bpfvm.lang.kernel_btf import KERNEL

if TYPE_CHECKING:
    from bpfvm.obj.btf_index import BtfIndex


class _Enumerators:
    """The enumerators of all enums, as attributes."""

    @cached_property
    def _known(self) -> dict[tuple[int, str], int]:
        return {}

    def __getattr__(self, name: str) -> int:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        types = _kernel.types
        key = (id(types), name)
        if key not in self._known:
            found = types.enumerator(name)
            if found is None:
                raise AttributeError(f"the kernel's types have no enumerator {name!r}")
            self._known[key] = found
        return self._known[key]

    def __repr__(self) -> str:
        return "<enumerators of the kernel>"


_kernel = KERNEL
enum: Any = _Enumerators()


def load(path: str | os.PathLike[str]) -> None:
    """Take types from the BTF in a file from now on, raw or in an ELF file. LoadError for a file that has none."""
    _kernel.path = os.fspath(path)
    try:
        _kernel.types  # noqa: B018  reads it
    except BpfvmError:
        _kernel.path = ""
        raise


def types() -> BtfIndex:
    """The BTF in use. Unavailable where there is none."""
    return _kernel.types


def __getattr__(name: str) -> Any:
    from bpfvm.lang.kernel_types import of_name

    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(name)
    try:
        return of_name(_kernel.types, name)
    except UsageError as error:
        near = difflib.get_close_matches(name, _kernel.types.beginning(name[:3]), 1)
        text = f"{error}; did you mean {near[0]!r}?" if near else str(error)
        # After an AttributeError `from bpfvm.vmlinux import name` makes an error without its words.
        frame = sys._getframe(1)
        imported = frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]
        raise (ImportError if imported else AttributeError)(text) from None
