"""Files that hold one case: written where machines differ, read again by `bpfvm fuzz --replay FILE`.

A program without maps and with one context is written as a data file (*.data, as bpfvm.testing.datafile reads them),
ready to be kept among the tests: its result is what the judge gave, the kernel where it takes part. Everything else is
JSON (*.json):

    {"case": "1:42", "type": "xdp", "asm": [LINE …], "maps": [{"name", "type", "key_size", "value_size", "max_entries",
     "entries": {KEY: VALUE}}], "inputs": [{"packet": HEX, "fields": {NAME: NUMBER}}, {"ctx": HEX}],
     "differences": [LINE …]}

asm is in the syntax of bpfvm.isa.asm, maps by name; keys and values are hex. A program whose bytes are no instructions
has them in "code" in place of "asm". `differences` is for the reader only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.core.machine import Entries, Input
from bpfvm.fuzz.case import PROGRAM, Case, make
from bpfvm.fuzz.report import Difference
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import decode
from bpfvm.isa.disasm import listing, targets
from bpfvm.isa.insn import insn
from bpfvm.obj.model import MapSpec
from bpfvm.run.backend import Backend
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES


def write(folder: Path, found: Difference, judge: Backend) -> Path:
    """A file for the difference in `folder`, which is made; judge: the engine whose result a data file states."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{found.kind}-{found.case.name.replace(':', '-')}"
    text = data_file(found, judge)
    path = folder / f"{stem}.{'json' if text is None else 'data'}"
    path.write_text(document(found) if text is None else text, encoding="utf-8")
    return path


def read(path: Path) -> Case:
    """The case of a JSON file. LoadError with the file says what is wrong with it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return _of_document(found, str(path))
    except OSError as error:
        raise LoadError(f"{path}: a case cannot be read: {error.strerror}") from None
    except KeyError as error:
        raise LoadError(f"{path}: a case has {error}, and this one does not") from None
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise LoadError(f"{path}: this is no case: {error}") from None


def data_file(found: Difference, judge: Backend) -> str | None:
    """The case as a data file, or None where it is none: maps, packets, several inputs, no result to state."""
    case = found.case
    if (
        found.kind not in ("value", "fault")
        or case.spec.maps
        or len(case.inputs) != 1
        or case.program.type != "syscall"
    ):
        return None
    memory = case.inputs[0].ctx or b""
    state = _judged(case, memory, judge)
    if state is None:
        return None
    r0, after = state
    lines = [*(f"# {line}" for line in _title(found)), "-- asm", _text(case)]
    if memory:
        lines += ["-- mem", _rows(memory)]
        if after != memory:
            lines += ["-- mem-after", _rows(after)]
    return "\n".join([*lines, "-- result", f"{r0:#x}", ""])


def _judged(case: Case, memory: bytes, judge: Backend) -> tuple[int, bytes] | None:
    """r0, all 64 bits of it, and the memory after a run by the judge.

    The kernel shows 32 bits of r0, so a function before the program stores it behind the memory.
    """
    tail = (len(memory) + 7) // 8 * 8
    entry = (insn("mov64_x", 6, 1), insn("call_local", imm=3), insn("stx64", 6, 0, tail), insn("mov64_k"), insn("exit"))
    stored = case.with_insns((*entry, *case.program.insns))
    try:
        loaded = judge.load(stored.spec, PROGRAM, {})
        try:
            result = loaded.run(Input(ctx=memory + bytes(tail - len(memory) + 8)))
        finally:
            loaded.close()
    except BpfvmError:
        return None  # it needs the frame or the stack that the entry takes away
    if result.fault is not None or result.ctx is None:
        return None
    return int.from_bytes(result.ctx[-8:], "little"), result.ctx[: len(memory)]


def document(found: Difference) -> str:
    """The case as JSON."""
    case = found.case
    given = {
        "case": case.name,
        "type": case.program.type,
        **({"asm": _text(case).splitlines()} if found.code is None else {"code": found.code.hex()}),
        "maps": [
            {
                **one.facts,
                "entries": {
                    key.hex(): value.hex() for key, value in case.maps.get(one.name, []) if isinstance(value, bytes)
                },
            }
            for one in case.spec.maps.values()
        ],
        "inputs": [_input(one) for one in case.inputs],
        "differences": list(found.lines),
    }
    return json.dumps(given, indent=1) + "\n"


def _title(found: Difference) -> list[str]:
    return [f"case {found.case.name}: {found.kind}", *(line.replace("\n", " ") for line in found.lines)]


def _text(case: Case) -> str:
    return listing(case.program.insns, labels=targets(case.program.insns))


def _rows(data: bytes) -> str:
    return "\n".join(data[at : at + 16].hex(" ") for at in range(0, len(data), 16))


def _hex(entries: Entries) -> Iterator[tuple[str, str]]:
    for key, value in entries:
        assert isinstance(value, bytes), "cases have no per-CPU maps"
        yield key.hex(), value.hex()


def _input(given: Input) -> dict[str, Any]:
    if given.packet is not None:
        return {"packet": given.packet.hex(), **({"fields": dict(given.fields)} if given.fields else {})}
    return {"ctx": (given.ctx or b"").hex()}


def _of_document(found: Mapping[str, Any], file: str) -> Case:
    kind = found["type"]
    if kind not in PROGRAM_TYPES:
        raise LoadError(f"{file}: there is no program type {kind!r}; types are {', '.join(PROGRAM_TYPES)}")
    maps = [
        MapSpec(one["name"], one["type"], int(one["key_size"]), int(one["value_size"]), int(one["max_entries"]))
        for one in found["maps"]
    ]
    contents: dict[str, Entries] = {
        one["name"]: [(bytes.fromhex(key), bytes.fromhex(value)) for key, value in one["entries"].items()]
        for one in found["maps"]
    }
    inputs = [_given(one) for one in found["inputs"]]
    insns = decode(bytes.fromhex(found["code"])) if "code" in found else assemble("\n".join(found["asm"]), file=file)
    return make(str(found["case"]), kind, insns, inputs, maps, contents)


def _given(found: Mapping[str, Any]) -> Input:
    if "packet" not in found:
        return Input(ctx=bytes.fromhex(found["ctx"]))
    fields = {str(name): int(value) for name, value in found.get("fields", {}).items()}
    return Input(packet=bytes.fromhex(found["packet"]), fields=fields)
