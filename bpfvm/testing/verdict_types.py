"""The types of a verdict's data file: what BTF tells of functions and of maps' values, from a line of words each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, STATIC, Member, Struct
from bpfvm.obj.model import MapSpec

_LINKAGES = {"global": GLOBAL, "static": STATIC}
_LOCK_SIZE = 4  # sizeof(struct bpf_spin_lock)
_MEMBER = re.compile(r"(\w+)@(\d+):(\*?\w+)(?:=(\w+)\.(\w+))?")
_NUMBERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
_KERNEL = {
    "bpf_spin_lock": (4, 1), "bpf_refcount": (4, 1), "bpf_timer": (8, 2), "bpf_list_head": (8, 2),
    "bpf_rb_root": (8, 2), "bpf_list_node": (8, 3), "bpf_rb_node": (8, 4),
}  # fmt: skip


class VerdictTypes:
    """Builds the BTF of one case. context: the structure that the program type's r1 points to, None without one."""

    def __init__(self, context: str | None) -> None:
        self.btf = Btf()
        self._context = context
        self._int = self.btf.add_int("int", 4, is_signed=True)
        self._char = self.btf.add_int("unsigned char", 1)
        self._made: dict[str, int] = {}
        self._structures: dict[str, int] = {}

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

    def structures(self, lines: Sequence[tuple[Location, str]], maps: dict[str, MapSpec]) -> None:
        """NAME SIZE MEMBER@OFFSET:TYPE … of structures, and `map NAME MEMBER …` of the values of `maps`, which get
        types. The n-th structure is type n + 2."""
        words = [(place, line.split()) for place, line in lines]
        structures = [(place, one) for place, one in words if one[0] != "map"]
        self._structures = {one[0]: self.btf.reserve(one[0]) for _, one in structures}
        for place, (name, size, *members) in structures:
            self._define(place, self._structures[name], name, int(size), members)
        for place, (kind, name, *members) in words:
            if kind != "map":
                continue
            if name not in maps:
                raise LoadError(f"{place}: there is no map {name!r}; the maps are {', '.join(maps) or 'none'}")
            value = self.btf.reserve(f"{name}_value")
            self._define(place, value, f"{name}_value", maps[name].value_size, members)
            maps[name] = replace(maps[name], key_type=self._int, value_type=value)

    def _define(self, place: Location, number: int, name: str, size: int, members: Sequence[str]) -> None:
        found = []
        for at, text in enumerate(members):
            match = _MEMBER.fullmatch(text)
            if match is None:
                raise LoadError(f"{place}: met {text!r} where a member is wanted: NAME@OFFSET:TYPE")
            found.append(Member(match[1], self._member(place, match[3]), 8 * int(match[2])))
            if match[4]:
                self.btf.add_decl_tag(f"contains:{match[4]}:{match[5]}", number, at)
        self.btf.define(number, Struct(name, size, tuple(found)))

    def _member(self, place: Location, text: str) -> int:
        if text in _NUMBERS:
            return self.btf.add_int(text, _NUMBERS[text])
        if text in _KERNEL:
            size, count = _KERNEL[text]
            word = self.btf.add_int(f"u{8 * size}", size)
            return self.btf.add_struct(text, size * count, [(f"w{at}", word, size * at) for at in range(count)])
        if text.startswith("*") and text[1:] in self._structures:
            return self.btf.add_ptr(self._structures[text[1:]])
        known = ", ".join([*_NUMBERS, *_KERNEL, *(f"*{name}" for name in self._structures)])
        raise LoadError(f"{place}: there is no type {text!r}; types are {known}")

    def locked(self, one: MapSpec, offset: int) -> MapSpec:
        """The map with values that are structures, with a bpf_spin_lock at `offset`."""
        lock = self.btf.add_struct("bpf_spin_lock", _LOCK_SIZE, [("val", self._int, 0)])
        value = self.btf.add_struct(f"{one.name}_value", one.value_size, [("lock", lock, offset)])
        return replace(one, key_type=self._int, value_type=value)
