"""Describe objects and load single programs of them with libbpf: a script to run under strace, which shows bpf(2).

    strace -e trace=bpf,write … python driver.py '{path: [programs to load]}'

Each program is loaded alone, from a freshly opened object, so that one which this kernel refuses keeps no other from
being seen. What is done stands in the trace as writes of JSON to /dev/null:

    {"object": path, "programs": [[name, section, type]], "maps": [map]}    an object that libbpf opens
    {"object": path, "error": text}                                        one that it does not open
    {"program": name, "loaded": bool}                                      behind the calls that its load made

and a map is {"name", the NUMBERS, "initial": hex or null}.

Where libbpf finds no BTF of what a program attaches to, it is loaded again with a target that every kernel has, and
maps whose size a tool sets before it loads them get a small one: neither is any part of the instructions. Nothing is
attached or pinned.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

TARGET = b"vfs_read"  # a function that every kernel's BTF describes
NO_TARGET = (errno.ESRCH, errno.ENOENT)
NUMBERS = ("type", "key_size", "value_size", "max_entries", "map_flags", "btf_key_type_id", "btf_value_type_id")
STACK_TRACE, STACK_BYTES = 7, 127 * 8  # BPF_MAP_TYPE_STACK_TRACE; values of 127 addresses
UNSIZED = (4, 12, 13, 24, 28, 29, 32)  # maps of any size: perf events (CPUs), maps of maps, storage of other objects


def _library() -> Any:
    lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("bpf_object__open_file", pointer, (text, pointer)),
        ("bpf_object__load", ctypes.c_int, (pointer,)),
        ("bpf_object__close", None, (pointer,)),
        ("bpf_object__next_program", pointer, (pointer, pointer)),
        ("bpf_object__next_map", pointer, (pointer, pointer)),
        ("bpf_program__name", text, (pointer,)),
        ("bpf_program__set_autoload", ctypes.c_int, (pointer, ctypes.c_bool)),
        ("bpf_program__set_attach_target", ctypes.c_int, (pointer, ctypes.c_int, text)),
        ("bpf_program__section_name", text, (pointer,)),
        ("bpf_program__type", ctypes.c_int, (pointer,)),
        ("bpf_map__name", text, (pointer,)),
        ("bpf_map__initial_value", pointer, (pointer, ctypes.POINTER(ctypes.c_size_t))),
        ("bpf_map__set_pin_path", ctypes.c_int, (pointer, text)),
        ("bpf_map__set_value_size", ctypes.c_int, (pointer, ctypes.c_uint32)),
        ("bpf_map__set_max_entries", ctypes.c_int, (pointer, ctypes.c_uint32)),
        ("libbpf_set_print", pointer, (pointer,)),
        *((f"bpf_map__{field}", ctypes.c_uint32, (pointer,)) for field in NUMBERS),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.libbpf_set_print(None)
    return lib


class Driver:
    """libbpf, and where to write marks."""

    def __init__(self) -> None:
        self.lib = _library()
        self.marks = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)

    def work(self, path: str, wanted: list[str]) -> None:
        """Describe the object at `path` and load the programs called `wanted`, one at a time."""
        opened = self.lib.bpf_object__open_file(path.encode(), None)
        if not opened:
            self._mark(object=path, error=f"libbpf error {ctypes.get_errno()}")
            return
        programs = [self._program(one) for one in self._each("program", opened)]
        maps = [self._map(one) for one in self._each("map", opened)]
        self.lib.bpf_object__close(opened)
        self._mark(object=path, programs=programs, maps=maps)
        for name in wanted:
            failed = self._load(path, name, None)
            self._mark(program=name, loaded=not failed)
            if failed in NO_TARGET:
                failed = self._load(path, name, TARGET)
                self._mark(program=name, loaded=not failed)

    def _program(self, one: int) -> list[Any]:
        lib = self.lib
        name, section = lib.bpf_program__name(one), lib.bpf_program__section_name(one)
        return [name.decode(), section.decode(), lib.bpf_program__type(one)]

    def _map(self, one: int) -> dict[str, Any]:
        size = ctypes.c_size_t()
        initial = self.lib.bpf_map__initial_value(one, ctypes.byref(size))
        return {
            "name": self.lib.bpf_map__name(one).decode(),
            **{field: getattr(self.lib, f"bpf_map__{field}")(one) for field in NUMBERS},
            "initial": ctypes.string_at(initial, size.value).hex() if initial else None,
        }

    def _load(self, path: str, wanted: str, target: bytes | None) -> int:
        """The errno of loading only the program `wanted`, 0 where the kernel takes it."""
        opened = self.lib.bpf_object__open_file(path.encode(), None)
        for one in self._each("map", opened):
            self.lib.bpf_map__set_pin_path(one, None)
            self._give_size(one)
        for one in self._each("program", opened):
            is_wanted = self.lib.bpf_program__name(one).decode() == wanted
            self.lib.bpf_program__set_autoload(one, is_wanted)
            if is_wanted and target is not None:
                self.lib.bpf_program__set_attach_target(one, 0, target)
        failed = -self.lib.bpf_object__load(opened)
        self.lib.bpf_object__close(opened)
        return int(failed)

    def _give_size(self, one: int) -> None:
        kind = self.lib.bpf_map__type(one)
        if kind == STACK_TRACE and not self.lib.bpf_map__value_size(one):
            self.lib.bpf_map__set_value_size(one, STACK_BYTES)
        if kind not in UNSIZED and not self.lib.bpf_map__max_entries(one):
            self.lib.bpf_map__set_max_entries(one, 1)

    def _each(self, what: str, opened: int) -> Iterator[int]:
        following = getattr(self.lib, f"bpf_object__next_{what}")
        one = following(opened, None)
        while one:
            yield one
            one = following(opened, one)

    def _mark(self, **said: object) -> None:
        os.write(self.marks, json.dumps(said).encode())


if __name__ == "__main__":
    driver = Driver()
    for each, names in json.loads(sys.argv[1]).items():
        driver.work(each, names)
