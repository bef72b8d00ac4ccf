"""The types of a verdict's data file: what BTF tells of functions and of maps' values, from a line of words each."""

from __future__ import annotations

import re
from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.obj.btf import Btf
from bpfvm.obj.btf_types import GLOBAL, STATIC
from bpfvm.obj.model import MapSpec

_LINKAGES = {"global": GLOBAL, "static": STATIC}
_LOCK_SIZE = 4  # sizeof(struct bpf_spin_lock)


class VerdictTypes:
    """Builds the BTF of one case. context: the structure that the program type's r1 points to, None without one."""

    def __init__(self, context: str | None) -> None:
        self.btf = Btf()
        self._context = context
        self._int = self.btf.add_int("int", 4, is_signed=True)
        self._char = self.btf.add_int("unsigned char", 1)
        self._made: dict[str, int] = {}

    def function(self, place: Location, words: str) -> None:
        """NAME LINKAGE RETURNED ARGUMENT …"""
        name, linkage, returned, *given = [*words.split(), "", "", ""][: max(len(words.split()), 3)]
        if linkage not in _LINKAGES or returned not in ("int", "void") or len(given) > 5:
            raise LoadError(
                f"{place}: met {words!r} where a function is wanted: its name, global or static, int or void, and up "
                "to five arguments"
            )
        params = [(f"a{at}", self._argument(place, word)) for at, word in enumerate(given)]
        proto = self.btf.add_func_proto(self._int if returned == "int" else 0, params)
        self.btf.add_func(name, proto, _LINKAGES[linkage])

    def _argument(self, place: Location, word: str) -> int:
        if word == "int":
            return self._int
        if word not in self._made:
            self._made[word] = self._pointer(place, word)
        return self._made[word]

    def _pointer(self, place: Location, word: str) -> int:
        if word == "void*":
            return self.btf.add_ptr(0)
        if word == "ctx" and self._context is not None:
            return self.btf.add_ptr(self.btf.add_struct(self._context, 4, [("first", self._int, 0)]))
        size = re.fullmatch(r"mem([1-9]\d*)", word)
        if size is None:
            raise LoadError(f"{place}: met {word!r} where int, ctx, void* or mem and a number of bytes is wanted")
        bytes_ = self.btf.add_array(self._char, int(size[1]))
        return self.btf.add_ptr(self.btf.add_struct(word, int(size[1]), [("bytes", bytes_, 0)]))

    def locked(self, one: MapSpec, offset: int) -> MapSpec:
        """The map with values that are structures, with a bpf_spin_lock at `offset`."""
        lock = self.btf.add_struct("bpf_spin_lock", _LOCK_SIZE, [("val", self._int, 0)])
        value = self.btf.add_struct(f"{one.name}_value", one.value_size, [("lock", lock, offset)])
        return replace(one, key_type=self._int, value_type=value)
