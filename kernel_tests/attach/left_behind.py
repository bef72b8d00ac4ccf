"""Loads, runs and failures of every kind, one after the other: as a program, until it is killed.

    python -m kernel_tests.attach.left_behind FOLDER SEED

FOLDER is in a BPF file system. A byte goes to stdout for each that is done.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Input
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel import KERNEL
from bpfvm.kernel.objects.install import install
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import ExternSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object

OBJECTS = Path(__file__).parents[2] / "tests" / "objects"
FILES = ("data_mixed.o", "maps_attributes.o", "maps_inner.o", "calls_callbacks.o", "extern_loaded.o", "core_loaded.o")
FRAME = bytes(64)
PASS = (insn("mov64_k", 0, imm=2), insn("exit"))
BAD = (insn("ldx64", 0, 1, 4096), insn("exit"))  # outside of the context


def made() -> ObjectSpec:
    """Typed maps of several kinds, a map of maps, a prog array, data that is frozen, two programs."""
    btf = Btf()
    u32 = btf.add_int("unsigned int", 4)
    maps = (
        MapSpec("left_hash", "hash", 4, 4, 64, key_type=u32, value_type=u32),
        MapSpec("left_ring", "ringbuf", 0, 0, 4096),
        MapSpec("left_perf", "perf_event_array", 4, 4, 0),
        MapSpec("left_inner", "array", 4, 4, 1),
        MapSpec("left_outer", "array_of_maps", 4, 4, 2, inner=MapSpec("left_outer.inner", "array", 4, 4, 1),
                contents=((1, "left_inner"),)),
        MapSpec("left_jumps", "prog_array", 4, 4, 2, contents=((0, "left_second"),)),
        MapSpec(".rodata", "array", 4, 8, 1, flags=1 << 7, initial=bytes(8), section=".rodata"),
    )  # fmt: skip
    used = tuple(insn("lddw_map", 1, symbol=one.name) for one in maps[:6])
    programs = (_program("left_first", (*used, *PASS)), _program("left_second", PASS))
    return ObjectSpec({one.name: one for one in programs}, {one.name: one for one in maps}, btf)


def _program(name: str, code: tuple[Insn, ...]) -> ProgramSpec:
    return ProgramSpec(name, "xdp", "xdp", code)


def _changed(map: str = "", program: str = "", **fields: object) -> ObjectSpec:
    """The object with something else in one of its maps or programs."""
    spec = made()
    if map:
        return replace(spec, maps={**spec.maps, map: replace(spec.maps[map], **fields)})  # type: ignore[arg-type]
    return replace(spec, programs={**spec.programs, program: replace(spec.programs[program], **fields)})  # type: ignore[arg-type]


class Actions:
    """What is done: each a function that raises when something else happened than should."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = read_object(OBJECTS / "refused" / "tables.o")
        self.files = [read_object(OBJECTS / name) for name in FILES]
        self.all: Mapping[str, Callable[[], None]] = {
            "run": self.run, "whole": self.whole, "file": self.file, "pinned": self.pinned, "reused": self.reused,
            "rejected": lambda: self.fails(VerifierReject, _changed(program="left_second", insns=BAD)),
            "bad map": lambda: self.fails(LoadError, _changed(map="left_inner", flags=1)),
            "bad inner": lambda: self.fails(LoadError, _changed(map="left_outer", flags=1 << 5)),
            "bad contents": lambda: self.fails(UsageError, made(), maps={"left_hash": {-1: 1}}),
            "no symbol": self.no_symbol, "pin is there": self.pin_is_there,
            "no bpffs": lambda: self.fails(Unavailable, made(), pin="/proc"),
            "not the same": self.not_the_same, "live": self.live, "table": self.table,
        }  # fmt: skip

    def choose(self, dice: random.Random) -> str:
        """The name of the next one; those that read much of the kernel come less often."""
        names = list(self.all)
        return dice.choices(names, [1 if name in ("file", "no symbol", "table") else 8 for name in names])[0]

    def fails(self, kind: type[BpfvmError], spec: ObjectSpec, **arguments: object) -> None:
        """install has to fail so."""
        try:
            install(spec, **arguments).close()  # type: ignore[arg-type]
        except kind:
            return
        raise AssertionError(f"no {kind.__name__}")

    def run(self) -> None:
        with KERNEL.load(made(), "left_first", {"left_hash": [(bytes(4), bytes(4))]}) as loaded:
            assert loaded.run(Input(packet=FRAME)).r0 == 2

    def whole(self) -> None:
        with install(made(), maps={"left_hash": {1: 2}}) as installed:
            assert installed.programs["left_first"].run(Input(packet=FRAME)).r0 == 2
            assert dict(installed.maps["left_hash"].items()) == {1: 2}
            with installed.maps["left_ring"].reader(), installed.maps["left_perf"].reader():
                assert installed.maps["left_outer"][1][0] is not None

    def live(self) -> None:
        """In a network namespace of its own."""
        with KERNEL.load(made(), "left_first", {}) as loaded:
            loaded.live(Input(packet=FRAME), 3)

    def table(self) -> None:
        with install(self.tables) as installed:
            assert len(installed.tables) == 3

    def file(self) -> None:
        for spec in self.files:
            with suppress(VerifierReject, Unavailable, LoadError), install(spec, pin=False):
                continue

    def _own(self) -> Path:
        return self.folder / f"left_{os.getpid()}"

    def pinned(self) -> None:
        with install(made(), pin=self._own()) as installed:
            assert len(installed.pins) == 9
            installed.unpin()
        self._own().rmdir()

    def pin_is_there(self) -> None:
        with install(made(), pin=self._own()) as installed:
            self.fails(UsageError, made(), pin=self._own())
            assert all(one.exists() for one in installed.pins)
            installed.unpin()
        self._own().rmdir()

    def reused(self) -> None:
        with install(made()) as first, install(made(), reuse={"left_hash": first.maps["left_hash"]}) as second:
            first.maps["left_hash"][7] = 8
            assert second.maps["left_hash"][7] == 8

    def not_the_same(self) -> None:
        with install(made()) as first:
            self.fails(LoadError, made(), reuse={"left_hash": first.maps["left_inner"]})

    def no_symbol(self) -> None:
        code = (insn("lddw", 1, symbol="left_nowhere"), *PASS)
        spec = _changed(program="left_second", insns=code)
        self.fails(LoadError, replace(spec, externs={"left_nowhere": ExternSpec("left_nowhere", "ksym", 0)}))


def main(folder: str, seed: str) -> None:
    """Act until killed."""
    actions, dice = Actions(Path(folder)), random.Random(int(seed))
    while True:
        actions.all[actions.choose(dice)]()
        os.write(1, b".")


if __name__ == "__main__":
    main(*sys.argv[1:])
