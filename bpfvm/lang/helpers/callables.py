"""Helpers and kernel functions as Python objects: `bpf.helper.NAME(...)`, `bpf.kfunc.NAME(...)`, and short names for
the common ones, such as `ktime()` and `comm()`.

Arguments and results are those of the rows in tables.helpers and tables.kfuncs. A size behind memory may be left out:
it is then the memory's. In CPython the call goes to the machine that runs, as it does from compiled code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bpfvm.core.errors import alike
from bpfvm.lang.active import Machine, machine
from bpfvm.lang.helpers import dynptrs
from bpfvm.lang.helpers.kernel_functions import names, row_of
from bpfvm.lang.helpers.words import AnyRow, number, text, word
from bpfvm.lang.maps.base import Map, Memory, loaded
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.described import of_name
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.layout import View, size_of, view
from bpfvm.lang.types.pointers import pointer_to
from bpfvm.lang.types.scalars import Storage, char, u32, u64
from bpfvm.tables import helpers, kfuncs
from bpfvm.tables.helpers import Arg, Ret
from bpfvm.tables.helpers.callbacks import CALLBACKS, places
from bpfvm.tables.helpers.row import Helper as Row
from bpfvm.tables.kfuncs import Kfunc as KernelRow

DYNPTRS = ("dynptr_data", "dynptr_from_mem", "ringbuf_reserve_dynptr")  # which give memory, or a dynptr

_SIZES = (Arg.SIZE, Arg.SIZE_OR_ZERO, Arg.CONST_SIZE)
MEMORY = frozenset({
    Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.VALUE_OUT, Arg.MEM, Arg.MEM_OR_NULL, Arg.OUT, Arg.INOUT,
    Arg.INOUT_OR_NULL, Arg.FIXED, Arg.FIXED_OUT, Arg.FIXED_INOUT, Arg.TIMER, Arg.LOCK,
})  # fmt: skip
WRITTEN = frozenset({Arg.VALUE_OUT, Arg.OUT, Arg.INOUT, Arg.INOUT_OR_NULL, Arg.FIXED_OUT, Arg.FIXED_INOUT})
_KEYS, _VALUES = (Arg.KEY,), (Arg.VALUE, Arg.VALUE_OR_NULL)
NULLS = frozenset({
    Arg.VALUE_OR_NULL, Arg.MEM_OR_NULL, Arg.INOUT_OR_NULL, Arg.CTX_OR_NULL, Arg.STACK_OR_NULL, Arg.SOCK_OR_NULL,
    Arg.SOCKET_OR_NULL, Arg.BTF_OR_NULL,
})  # fmt: skip


def value_given(row: AnyRow) -> bool:
    """Whether the result is a map's value, or null."""
    return isinstance(row, Row) and row.ret is Ret.VALUE_OR_NULL


def value_type(owner: Map) -> Any:
    """What a helper's pointer to a value points to: the struct or array, or an array of one number."""
    return array_of(owner.value, 1) if isinstance(owner.value, Storage) else owner.value


def parameters(row: AnyRow) -> list[str]:
    """The names of parameters, as C has them."""
    inside = row.prototype.partition("(")[2].rstrip(")")
    return [re.split(r"[\s*]+", one.strip())[-1] for one in inside.split(",") if one.strip()]


def filled(row: AnyRow, kinds: Sequence[Arg], count: int) -> list[int | None] | None:
    """For each argument of the helper the place among `count` given ones, or None for a size that is left out.

    None in all where so many arguments do not fit.
    """
    if count == len(kinds):
        return list(range(count))
    behind = [at > 0 and one in _SIZES and kinds[at - 1] in MEMORY for at, one in enumerate(kinds)]
    if count != len(kinds) - sum(behind):
        return None
    places: Iterator[int] = iter(range(count))
    return [None if is_left_out else next(places) for is_left_out in behind]


class Call:
    """A helper or a kernel function, to be called. row: of its table."""

    __slots__ = ("__name__", "row")

    def __init__(self, row: AnyRow) -> None:
        self.row = row
        self.__name__ = row.name

    def __call__(self, *given: Any) -> Any:
        """What it gives: a number, or None."""
        on = machine(f"{self.__name__}()")
        if self.row.name in CALLBACKS and isinstance(self.row, Row):
            return _called(on, self.row, given)
        if self.row.name in DYNPTRS:
            return dynptrs.NAMED[self.row.name](on, *given)
        kinds = self.row.args_in(on.program_type())
        places = filled(self.row, kinds, len(given))
        if places is None:
            raise TypeError(f"{self.__name__} takes {', '.join(parameters(self.row))}, and got {len(given)} arguments")
        words, back = self._words(on, kinds, places, given)
        call = on.kfunc if isinstance(self.row, KernelRow) else on.helper
        r0 = call(self.row.name, *words)
        for one, address in back:
            memory, at, _ = one._bpf
            memory[at : at + size_of(type(one))] = on.load(address, size_of(type(one)))
        if value_given(self.row):
            owner = next(one for one in given if isinstance(one, Map))
            return view(value_type(owner), Memory(on), r0) if r0 else None
        return number(self.row, r0)

    def _words(
        self, on: Machine, kinds: Sequence[Arg], places: Sequence[int | None], given: Sequence[Any]
    ) -> tuple[list[int], list[tuple[View, int]]]:  # fmt: skip
        """The arguments as registers hold them, and the views that lie elsewhere, with their places in memory."""
        words: list[int] = []
        back: list[tuple[View, int]] = []
        size, owner = 0, None
        for kind, place in zip(kinds, places, strict=True):
            if place is None:
                words.append(size)
                continue
            value = given[place]
            owner = value if isinstance(value, Map) else owner
            if kind is Arg.TEXT and isinstance(value, bytes | str):
                words.append(on.constant(text(value)))
            elif _is_stored(owner, kind, value):
                words.append(on.place(_stored(owner, kind, value)))
            else:
                words.append(word(on, value))
            if isinstance(value, View):
                size = size_of(type(value))
                if isinstance(value._bpf[0], bytearray) and kind in WRITTEN:
                    back.append((value, words[-1]))
            elif isinstance(value, bytes | str):
                size = len(value.encode() if isinstance(value, str) else value)
        return words, back

    def __repr__(self) -> str:
        return f"<bpfvm {self.row.called}>"


def _called(on: Machine, row: Row, given: Sequence[Any]) -> Any:
    """A helper that calls a function: with what it passes, and the context, where there is one."""
    function, context = places(row.name)
    if not function < len(given) <= len(row.args):
        raise TypeError(f"{row.name} takes {', '.join(parameters(row))}, and got {len(given)} arguments")
    owner, beside = given[0], [one for one in given[context : context + 1] if one is not None]

    def turn(*words: int) -> int:
        return int(bool(given[function](*_passed(on, row, owner, words), *beside)))

    return number(row, on.called(row.name, [word(on, one) for one in (*given[:function], *given[context + 1 :])], turn))


def _passed(on: Machine, row: Row, owner: Any, words: Sequence[int]) -> Iterator[Any]:
    """What the function gets: a number, the map, a copy of a key, what stands under it."""
    structs = objects(row)
    for at, (kind, one) in enumerate(zip(CALLBACKS[row.name].kinds, words, strict=True)):
        if kind == "number":
            yield int(one)
        elif kind == "map":
            yield owner
        elif kind == "key":
            found = loaded(on, owner.key, one)
            yield found.copy() if isinstance(found, View) else found
        elif kind == "value":
            yield view(value_type(owner), Memory(on), one)
        elif kind == "dynptr":
            yield dynptrs.Dynptr(on, one, reserved=False)
        else:
            yield structs[at](one)


def objects(row: Row) -> list[Any]:
    """The types of pointers to what a helper passes, where that is the kernel's. Unavailable where its types are not
    there."""
    return [pointer_to("kernel", of_name(KERNEL.types, one)) for one in CALLBACKS[row.name].structs]


def _is_stored(owner: Map | None, kind: Arg, value: Any) -> bool:
    """Whether a number stands for memory that holds it: a key or a value of a map."""
    return owner is not None and isinstance(value, int) and kind in (*_KEYS, *_VALUES)


def _stored(owner: Map | None, kind: Arg, value: int) -> bytes:
    assert owner is not None, "it was asked before"
    element: Any = owner.key if kind in _KEYS else owner.value
    packed: bytes = element.pack(value)
    return packed


class Names:
    """A table by attribute: `bpf.helper.get_prandom_u32`."""

    __slots__ = ("_calls", "_table", "_what")

    def __init__(self, what: str, table: Mapping[str, Any]) -> None:
        self._what, self._table = what, table
        self._calls: dict[str, Call] = {}

    def __getattr__(self, name: str) -> Call:
        """The call of a row; with and without `bpf_` before its name."""
        found = next((one for one in (name, f"bpf_{name}", name.removeprefix("bpf_")) if one in self._table), None)
        if found is None:
            if name.startswith("__"):
                raise AttributeError(name)
            near = alike(name, self._table)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AttributeError(f"there is no {self._what} {name!r} here{hint}")
        if found not in self._calls:
            self._calls[found] = Call(self._table[found])
        return self._calls[found]

    def __dir__(self) -> list[str]:
        return sorted(self._table)


class KernelNames(Names):
    """The kernel functions: those of the table, and others by what is known of them, or by the kernel's BTF."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Call:
        rows = (row_of(one) for one in (name, f"bpf_{name}")) if not name.startswith("__") else ()
        row = next((one for one in rows if one is not None), None)
        if row is None:
            return super().__getattr__(name)
        if row.name not in self._calls:
            self._calls[row.name] = Call(row)
        return self._calls[row.name]

    def __dir__(self) -> list[str]:
        return names()


HELPERS = Names("helper", helpers.BY_NAME)
KFUNCS = KernelNames("kernel function", kfuncs.BY_NAME)


class Reading:
    """A short name for a number that a helper gives. shift: where in r0 it begins. kind: how it is read there."""

    __slots__ = ("__name__", "helper", "kind", "shift")

    def __init__(self, name: str, helper: str, kind: Storage, shift: int = 0) -> None:
        self.__name__, self.helper, self.kind, self.shift = name, helper, kind, shift

    def __call__(self) -> int:
        """The number now."""
        number: int = self.kind(machine(f"{self.__name__}()").helper(self.helper) >> self.shift)
        return number


class Comm:
    """The name of the current task: `comm()`, a char[16] of its own."""

    __name__ = "comm"
    kind = array_of(char, 16)  # TASK_COMM_LEN

    def __call__(self) -> Any:
        """The name, filled up with zeros."""
        made = self.kind()
        HELPERS.get_current_comm(made)
        return made


_TGID = "get_current_pid_tgid"
ktime = Reading("ktime", "ktime_get_ns", u64)
cpu = Reading("cpu", "get_smp_processor_id", u32)
pid = Reading("pid", _TGID, u32, 32)
tid = Reading("tid", _TGID, u32)
pid_tgid = Reading("pid_tgid", _TGID, u64)
uid = Reading("uid", "get_current_uid_gid", u32)
gid = Reading("gid", "get_current_uid_gid", u32, 32)
uid_gid = Reading("uid_gid", "get_current_uid_gid", u64)
rand = Reading("rand", "get_prandom_u32", u32)
comm = Comm()
