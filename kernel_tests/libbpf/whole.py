"""Load whole objects by libbpf, and tell what stands in the kernel then: a program to run in a process of its own.

    python -m kernel_tests.libbpf.whole PATH…

For each object a line of JSON: {"path", "error": why libbpf does not open it, or ""; "refused": its errno for the
object as it is, 0 where it loads; "alone": program -> its errno where it is loaded alone, of objects that are refused;
"rest": the errno for all programs together that load alone, or null where there is none; "programs", "maps": what
stands in the kernel after the last load that was taken}.

Maps whose size a tool sets before it loads them get a small one, and nothing is pinned (see driver.py).
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpfvm.kernel.attr import MapInfo, inform
from kernel_tests.libbpf.driver import Driver

MMAPABLE = 1 << 10  # BPF_F_MMAPABLE


class ProgramInfo(ctypes.Structure):
    """struct bpf_prog_info as far as it is compared."""

    _fields_ = (
        ("type", ctypes.c_uint32), ("id", ctypes.c_uint32), ("tag", ctypes.c_uint8 * 8), ("jited", ctypes.c_uint32),
        ("xlated", ctypes.c_uint32), ("addresses", ctypes.c_uint64 * 2), ("load_time", ctypes.c_uint64),
        ("uid", ctypes.c_uint32), ("maps", ctypes.c_uint32), ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16), ("ifindex", ctypes.c_uint32), ("gpl", ctypes.c_uint32),
        ("netns", ctypes.c_uint64 * 2), ("ksyms", ctypes.c_uint32 * 2), ("ksym_places", ctypes.c_uint64 * 2),
        ("btf", ctypes.c_uint32), ("function_size", ctypes.c_uint32), ("function_place", ctypes.c_uint64),
        ("functions", ctypes.c_uint32), ("lines", ctypes.c_uint32), ("line_places", ctypes.c_uint64 * 2),
        ("line_sizes", ctypes.c_uint32 * 3), ("tags", ctypes.c_uint32), ("tag_place", ctypes.c_uint64),
        ("runs", ctypes.c_uint64 * 3), ("verified", ctypes.c_uint32), ("attach_btf", ctypes.c_uint32),
        ("attach_id", ctypes.c_uint32),
    )  # fmt: skip


Facts = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Whole:
    """What libbpf made of one object; see the module."""

    path: Path
    error: str = ""
    refused: int = 0
    alone: Mapping[str, int] = field(default_factory=dict)
    rest: int | None = None
    programs: Mapping[str, Facts] = field(default_factory=dict)
    maps: Mapping[str, Facts] = field(default_factory=dict)


def asked(paths: Sequence[Path]) -> dict[Path, Whole]:
    """What libbpf makes of each object."""
    command = [sys.executable, "-m", "kernel_tests.libbpf.whole", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(one["path"]): Whole(**{**one, "path": Path(one["path"])}) for one in found}


def program_facts(fd: int) -> Facts:
    """Type, tag (of its instructions, maps left out), size behind the verifier, maps, functions, target, name."""
    info = ProgramInfo()
    inform(fd, info)
    return [info.type, bytes(info.tag).hex(), info.xlated, info.maps, info.functions, info.attach_id, info.gpl & 1,
            info.name.decode()]  # fmt: skip


def map_facts(fd: int) -> Facts:
    """Type, sizes, flags but for what is no part of the declaration, and whether it is typed."""
    info = MapInfo()
    inform(fd, info)
    flags = info.map_flags & ~MMAPABLE
    return [info.type, info.key_size, info.value_size, info.max_entries, flags, info.map_extra,
            info.btf_key_type_id != 0, info.btf_value_type_id != 0]  # fmt: skip


class _Whole(Driver):
    def __init__(self) -> None:
        super().__init__()
        for name, result in (("bpf_program__fd", ctypes.c_int), ("bpf_map__fd", ctypes.c_int),
                             ("bpf_program__autoload", ctypes.c_bool)):  # fmt: skip
            function = getattr(self.lib, name)
            function.restype, function.argtypes = result, (ctypes.c_void_p,)

    def tell(self, path: str) -> dict[str, Any]:
        opened = self.lib.bpf_object__open_file(path.encode(), None)
        if not opened:
            return {"path": path, "error": f"libbpf error {ctypes.get_errno()}"}
        names = [
            self.lib.bpf_program__name(one).decode()
            for one in self._each("program", opened)
            if self.lib.bpf_program__autoload(one)
        ]
        self.lib.bpf_object__close(opened)
        refused, programs, maps = self._loaded(path, names)
        said: dict[str, Any] = {"path": path, "refused": refused, "programs": programs, "maps": maps}
        if refused:
            said["alone"] = {name: self._loaded(path, [name])[0] for name in names}
            rest = [name for name, number in said["alone"].items() if not number]
            if rest:
                said["rest"], said["programs"], said["maps"] = self._loaded(path, rest)
        return said

    def _loaded(self, path: str, names: Collection[str]) -> tuple[int, dict[str, Facts], dict[str, Facts]]:
        lib, opened = self.lib, self.lib.bpf_object__open_file(path.encode(), None)
        for one in self._each("map", opened):
            lib.bpf_map__set_pin_path(one, None)
            self._give_size(one)
        for one in self._each("program", opened):
            lib.bpf_program__set_autoload(one, lib.bpf_program__name(one).decode() in names)
        failed = -int(lib.bpf_object__load(opened))
        programs: dict[str, Facts] = {}
        maps: dict[str, Facts] = {}
        if not failed:
            for one in self._each("program", opened):
                name = lib.bpf_program__name(one).decode()
                if name in names:
                    programs[name] = program_facts(lib.bpf_program__fd(one))
            for one in self._each("map", opened):
                maps[lib.bpf_map__name(one).decode()] = map_facts(lib.bpf_map__fd(one))
        lib.bpf_object__close(opened)
        return failed, programs, maps


if __name__ == "__main__":
    whole = _Whole()
    for each in sys.argv[1:]:
        print(json.dumps(whole.tell(each)))
