"""What strace saw of bpf(2): programs and maps as they were handed to the kernel, between marks of the traced process.

    strace -e trace=bpf,write -e abbrev=none -X raw -s 65536 -o FILE …

Numbers are then not named, a field of flags is numbers joined by "|", and every instruction is printed.
Commands: 0 BPF_MAP_CREATE, 5 BPF_PROG_LOAD (include/uapi/linux/bpf.h).
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

MAP_CREATE, PROG_LOAD = 0, 5
_TEXT = 1 << 20  # of a string, marks among them, is printed
_CALL = re.compile(r"^(?:\d+ +)?bpf\((\w+), \{(.*)\}, \d+\) += (-?\d+)", re.DOTALL)
_WRITE = re.compile(r'^(?:\d+ +)?write\(\w+, "(.*)", \d+\) += \d+$')
_INSNS = re.compile(r"insns=\[(.*?)\]")
# strace knows no 32-bit jumps, and says so in a comment behind the code
_INSN = re.compile(r"\{code=([0-9a-fx|]+)(?: /\*[^*]*\*/)?, dst_reg=(\w+), src_reg=(\w+), off=(-?\w+), imm=(-?\w+)\}")


@dataclass(frozen=True, slots=True)
class MapCreated:
    """name: as the kernel keeps it, 15 bytes. fd: negative where it failed."""

    name: str
    fd: int


@dataclass(frozen=True, slots=True)
class ProgramLoaded:
    """slots: each instruction as struct bpf_insn in memory. fd: negative where the kernel refused it."""

    name: str
    type: int
    slots: tuple[bytes, ...]
    functions: int
    fd: int


Event: TypeAlias = MapCreated | ProgramLoaded | Mapping[str, Any]


def traced(
    command: Sequence[str | Path], trace: Path, *, marks: bool = False, before: Sequence[str] = ()
) -> list[Event]:
    """Run `command` to its end; every map and program it gave to the kernel, and its marks (JSON written), in order.

    before: a command that runs the one behind it.
    """
    strace = shutil.which("strace")
    assert strace is not None, "strace is not installed"
    calls = "bpf,write" if marks else "bpf"
    options = ("-e", f"trace={calls}", "-e", "abbrev=none", "-X", "raw", "-s", str(_TEXT), "-o", str(trace))
    subprocess.run([*before, strace, *options, *command], capture_output=True, stdin=subprocess.DEVNULL,
                   timeout=300, check=False)  # fmt: skip
    return list(_events(trace.read_text()))


def _events(text: str) -> Iterator[Event]:
    for line in text.splitlines():
        if met := _CALL.match(line):
            number, said, result = int(met[1], 0), met[2], int(met[3])
            if number == MAP_CREATE:
                yield MapCreated(_string(said, "map_name"), result)
            elif number == PROG_LOAD:
                yield _program(said, result)
        elif met := _WRITE.match(line):
            text = met[1].encode().decode("unicode_escape")
            if text.startswith("{"):
                yield json.loads(text)


def _program(said: str, result: int) -> ProgramLoaded:
    code = _INSNS.search(said)
    slots = tuple(_slot(*met.groups()) for met in _INSN.finditer(code[1])) if code else ()
    assert len(slots) == _number(said, "insn_cnt"), f"strace printed {len(slots)} instructions: {said[:200]}"
    functions = _number(said, "func_info_cnt") if "func_info_cnt=" in said else 0
    return ProgramLoaded(_string(said, "prog_name"), _number(said, "prog_type"), slots, functions, result)


def _slot(code: str, dst: str, src: str, off: str, imm: str) -> bytes:
    opcode = 0
    for part in code.split("|"):
        opcode |= int(part, 0)
    registers = int(dst, 0) | int(src, 0) << 4
    return struct.pack("<BBHI", opcode, registers, int(off, 0) & 0xFFFF, int(imm, 0) & 0xFFFF_FFFF)


def _number(said: str, field: str) -> int:
    met = re.search(rf"\b{field}=(-?\w+)", said)
    assert met is not None, f"no {field} in {said[:200]}"
    return int(met[1], 0)


def _string(said: str, field: str) -> str:
    met = re.search(rf'\b{field}="([^"]*)"', said)
    return met[1] if met else ""
