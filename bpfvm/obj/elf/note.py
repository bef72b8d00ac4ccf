"""Section .note.bpfvm: what an ObjectSpec knows and ELF for BPF has no place for, so that nothing is lost on disk.

An ELF note (gABI chapter 5) with name "bpfvm", type 1 and a JSON document; other loaders pass over it:

    {"hidden": ["bpfvm.fault"],                             maps made by the compiler
     "entries": {"hits": [["00000000", "0500000000000000"]]},       keys and values in maps at load; per-CPU: a list
     "programs": {"count": {"stack": 8, "faults": [["IndexError", "index 300 is …", "proto.py", 9, 5]]}}}
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bpfvm.core.machine import Entry, Location
from bpfvm.obj.cursor import Bytes
from bpfvm.obj.model import FaultSite, MapSpec, ObjectSpec, ProgramSpec

SECTION = ".note.bpfvm"
_NAME, _TYPE = b"bpfvm\0\0\0", 1
_NAME_SIZE = 6  # with its NUL, without padding


def encode(spec: ObjectSpec, endian: str) -> bytes:
    """The note's bytes; empty where there is nothing to say."""
    programs = {}
    for name, one in spec.programs.items():
        faults = [
            [site.kind, site.message, site.source.file, site.source.line, site.source.col] for site in one.fault_sites
        ]
        if faults or one.stack:
            programs[name] = {"stack": one.stack, "faults": faults}
    hidden = [name for name, one in spec.maps.items() if one.hidden]
    entries = {name: [_shown(entry) for entry in one.entries] for name, one in spec.maps.items() if one.entries}
    if not programs and not hidden and not entries:
        return b""
    said = {"hidden": hidden, "programs": programs, **({"entries": entries} if entries else {})}
    text = json.dumps(said).encode()
    head = struct.pack("<III" if endian == "little" else ">III", _NAME_SIZE, len(text), _TYPE)
    return head + _NAME + text + bytes(-len(text) % 4)


def apply(spec: ObjectSpec, section: Bytes) -> ObjectSpec:
    """`spec` with what the note in `section` says of its maps and programs."""
    name_size, size, kind = section.unpack("III", 0, "the note")
    if (name_size, kind) != (_NAME_SIZE, _TYPE) or bytes(section.cut(12, len(_NAME), "its name")) != _NAME:
        raise section.error(0, "not a note of bpfvm, type 1")
    text = bytes(section.cut(12 + len(_NAME), size, "its text"))
    try:
        document = json.loads(text)
        maps = {**spec.maps, **{name: _hidden(spec.maps[name]) for name in document["hidden"]}}
        filled = document.get("entries", {})
        maps |= {name: replace(maps[name], entries=_entries(maps[name], said)) for name, said in filled.items()}
        noted = {name: _noted(spec.programs[name], said) for name, said in document["programs"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise section.error(20, f"its text does not fit this object: {type(error).__name__}: {error}") from None
    return replace(spec, maps=maps, programs={**spec.programs, **noted})


def _shown(entry: Entry) -> list[str | list[str]]:
    key, value = entry
    return [key.hex(), value.hex() if isinstance(value, bytes) else [one.hex() for one in value]]


def _entries(one: MapSpec, said: list[list[Any]]) -> tuple[Entry, ...]:
    found: list[Entry] = []
    for key, value in said:
        values = [bytes.fromhex(part) for part in (value if isinstance(value, list) else [value])]
        if len(bytes.fromhex(key)) != one.key_size or any(len(part) != one.value_size for part in values):
            raise ValueError(f"an entry of {one.name} is not of its sizes")
        found.append((bytes.fromhex(key), values if isinstance(value, list) else values[0]))
    return tuple(found)


def _hidden(one: MapSpec) -> MapSpec:
    return replace(one, hidden=True)


def _noted(one: ProgramSpec, said: Mapping[str, Any]) -> ProgramSpec:
    sites = tuple(
        FaultSite(
            _typed(kind, str), _typed(message, str), Location(_typed(file, str), _typed(line, int), _typed(col, int))
        )
        for kind, message, file, line, col in said["faults"]
    )
    return replace(one, stack=_typed(said["stack"], int), fault_sites=sites)


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value
