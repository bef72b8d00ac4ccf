"""The signature of a function of scalars (`@bpf.function`): what its annotations say, and where its words stand.

Arguments and result stand in the program's context buffer, a little-endian u64 each: the result at 0, argument i at
8 * (i + 1). A narrow argument is its value sign- or zero-extended to 64 bits; one of be16 and its kin is the number
that was read from such storage, cut to its bits.
"""

from __future__ import annotations

import builtins
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm.core.bits import M64, mask
from bpfvm.core.errors import UsageError
from bpfvm.lang.functions.callee import Callee
from bpfvm.lang.types.interval import BOOL, S64, Interval
from bpfvm.lang.types.kernel import KernelStruct
from bpfvm.lang.types.pointers import pointer_to
from bpfvm.lang.types.scalars import Storage, of_ctypes

WORD = 8
RESULT_OFFSET = 0


def argument_offset(index: int) -> int:
    """Bytes from the start of the context buffer to argument `index`."""
    return WORD * (index + 1)


@dataclass(frozen=True, slots=True)
class Range:
    """Of `Annotated[u32, Range(0, 63)]`: the least and the greatest value, both included."""

    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One annotated scalar: a storage type, `bool`, or `int` (exact, in the range of s64). limits: what its annotation
    says besides.

    A big-endian type stands for the number that a field of that type holds, in the machine's order: `be16` is as u16.
    """

    annotation: type
    limits: Interval | None = None

    @property
    def range(self) -> Interval:
        """The values it can have."""
        if isinstance(self.annotation, Storage):
            whole = self.annotation.range
        else:
            whole = BOOL if self.annotation is bool else S64
        return whole if self.limits is None else whole.meet(self.limits) or whole

    @property
    def modular(self) -> Storage | None:
        """u64 or s64 where the value wraps, else None."""
        return self.annotation if isinstance(self.annotation, Storage) and self.annotation.is_modular else None

    def value(self, word: int) -> Any:
        """The Python value that stands for a 64-bit word, cut to the type first."""
        if self.annotation is bool:
            return bool(word & M64)
        if isinstance(self.annotation, Storage):
            return word & mask(self.annotation.bits) if self.annotation.is_big else self.annotation(word)
        return word - (1 << 64) if word >> 63 else word

    def word(self, value: int) -> int:
        """`value` mod the type's range, extended to an unsigned 64-bit word."""
        if self.annotation is bool:
            return int(bool(value))
        if isinstance(self.annotation, Storage):
            cut = int(value) & mask(self.annotation.bits)
            return cut if self.annotation.is_big else self.annotation.wrap(cut) & M64
        return int(value) & M64


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameters in order, and the result."""

    params: tuple[tuple[str, Scalar], ...]
    result: Scalar

    @property
    def context_size(self) -> int:
        """Bytes of the context buffer."""
        return argument_offset(len(self.params))

    def returned(self, context: bytes | None) -> int:
        """The result, of the context buffer after a run; 0 as it stands for its type without one."""
        if context is None:
            return int(self.result.value(0))
        value = self.result.value(int.from_bytes(context[RESULT_OFFSET : RESULT_OFFSET + WORD], "little"))
        return value if isinstance(value, bool) else int(value)


RESULT = "return"  # as Python calls the result among the annotations


def signature(callee: Callee) -> Signature:
    """Read the annotations of a function; bound parameters are none. UsageError with the first of `problems`."""
    found = problems(callee)
    if found:
        raise UsageError(f"{callee.function.__name__}: {found[0][1]}")
    hints = evaluated(callee.function)
    params = tuple((name, _scalar(hints[name])) for name in callee.parameters)
    return Signature(params, _scalar(hints[RESULT]))


def _scalar(hint: Any) -> Scalar:
    found = scalar_of(hint)
    assert found is not None, "it has no problem"
    return found


def problems(callee: Callee) -> list[tuple[str, str]]:
    """What keeps a function from having a signature: a parameter, RESULT or "" for all of it, and what is wrong."""
    function = callee.function
    code = function.__code__
    found = []
    if code.co_flags & 0x0C or code.co_kwonlyargcount or code.co_posonlyargcount or function.__defaults__:
        found.append(("", "a program takes plain parameters: no defaults, *args, **kwargs or markers"))
    for name in (*callee.parameters, RESULT):
        what = "the result" if name == RESULT else f"parameter {name}"
        if name not in function.__annotations__:
            example = "-> u64" if name == RESULT else f"{name}: u32"
            found.append((name, f"{what} needs a type, such as `{example}`"))
            continue
        try:
            hint = evaluated(function, name)[name]
            scalar = scalar_of(hint)
        except UsageError as error:
            found.append((name, str(error)))
            continue
        if scalar is None:
            found.append((name, _problem(what, hint)))
    return found


def evaluated(function: types.FunctionType, only: str | None = None) -> Mapping[str, Any]:
    """The annotations of `function`, texts evaluated over its globals and closure. UsageError where one fails.

    only: the one to evaluate.
    """
    space = namespace(function)
    found = {}
    for name, hint in function.__annotations__.items():
        if only not in (None, name):
            continue
        try:
            found[name] = eval(hint, space) if isinstance(hint, str) else hint
        except Exception as error:
            raise UsageError(f"the annotation {hint!r} of {name} fails: {error}") from None
    return found


def namespace(function: types.FunctionType) -> dict[str, Any]:
    """The names that annotations see: builtins, globals and closure variables."""
    space: dict[str, Any] = dict(vars(builtins))
    space.update(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            space[name] = cell.cell_contents
        except ValueError:
            continue  # an empty cell: bound later than the function, and a NameError if it is asked for
    return space


def _problem(what: str, hint: Any) -> str:
    """Why an annotation is none of a scalar."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return f"{what} is {hint}, and registers always hold a number: take one for None, such as 0"
    return f"{what} must have a scalar type (u8 to s64, bool, int), not {shown(hint)}"


def shown(hint: Any) -> str:
    """What an annotation says, as users write it."""
    return str(hint.__name__) if isinstance(hint, type) else repr(hint)


def text_type(name: str, hint: Any) -> str:
    """How a parameter that is annotated as a text is declared; "" of another annotation."""
    is_text = (hint.__name__ if isinstance(hint, type) else hint) in ("str", "bytes")
    return f"{name}: UserPtr[char] of a text that a process has, KernelPtr[char] of the kernel's" if is_text else ""


def scalar_of(hint: Any) -> Scalar | None:
    """The scalar that an annotation names: a storage type, bool, int, a scalar of ctypes, Literal[1, 2], and
    Annotated[...] of these. None for anything else."""
    if isinstance(hint, Storage) or hint is bool or hint is int:
        return Scalar(hint)
    if isinstance(hint, KernelStruct):
        return Scalar(pointer_to("kernel", hint))
    storage = of_ctypes(hint)
    if storage is not None:
        return Scalar(storage)
    named = getattr(hint, "__value__", None) or getattr(hint, "__supertype__", None)  # `type T = u32`, NewType
    if named is not None:
        return scalar_of(named)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        whole = all(isinstance(one, int) for one in arguments)
        return Scalar(int, Interval(min(arguments), max(arguments))) if whole else None
    if origin is typing.Annotated:
        return _limited(scalar_of(arguments[0]), [one for one in arguments[1:] if isinstance(one, Range)])
    return None


def _limited(scalar: Scalar | None, limits: list[Range]) -> Scalar | None:
    """With what the annotation says of the values besides. UsageError where that leaves none."""
    if scalar is None:
        return None
    range: Interval | None = scalar.range
    for one in limits:
        range = range.meet(Interval(one.lo, one.hi)) if range is not None and one.lo <= one.hi else None
    if range is None:
        raise UsageError(f"no {scalar.annotation.__name__} lies in {', '.join(map(str, limits))}")
    return Scalar(scalar.annotation, range) if limits else scalar
