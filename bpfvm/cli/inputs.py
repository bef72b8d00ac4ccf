"""What a program is run on: packets of captures, or contexts, registers and memory for programs without packets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.core.machine import Input
from bpfvm.obj.captures.capture import Capture
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.values.contents import encode_entries, from_json, shape_of
from bpfvm.obj.values.shapes import Record
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.progs import ProgramType

MOST_FILE = 1 << 26  # bytes of a file that is read as a whole
_FORMS = '[{"key": 1, "value": 2}], {"1": 2}, or a list of values by index'


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet of a capture. refused: why no program of the type sees it, or None. packet: as it was captured."""

    given: Input
    packet: memoryview
    link: int
    length: int
    refused: str | None = None


def frames(capture: Capture, kind: ProgramType, base: Input, cpus: int, first: int) -> Iterator[Frame]:
    """The packets of a capture as inputs. first: the number of its first packet; CPUs take packets in turn."""
    assert kind.layer is not None, "the type has packets"
    for number, (stamp, frame, packet, length) in enumerate(capture.frames(kind.layer), first):
        if isinstance(frame, str):
            yield Frame(base, packet, capture.link, length, frame)
            continue
        given = Input(
            packet=bytes(frame), fields=base.fields, clock=max(stamp, 0), seed=base.seed, cpu=(number - 1) % cpus,
            ctx=base.ctx,
        )  # fmt: skip
        yield Frame(given, packet, capture.link, length)


def fields(kind: ProgramType, given: Sequence[str]) -> dict[str, int]:
    """Context fields of `--ctx NAME=N`. UsageError for one that is none, or too large."""
    found: dict[str, int] = {}
    for text in given:
        name, _, number = text.partition("=")
        if kind.context is None:
            raise UsageError(f"--ctx {text}: {an(kind.name)} program's context has no fields; give bytes by --ctx-file")
        layout = CONTEXTS[kind.context]
        known = layout.field(name)
        if known is None or known.pointer:
            settable = ", ".join(one.name for one in layout.fields if not one.pointer)
            raise UsageError(f"--ctx {text}: {layout.name} has no field {name!r} to set; it has {settable}")
        try:
            value = int(number, 0)
        except ValueError:
            raise UsageError(f"--ctx {text}: {number!r} is not a number; write {name}=3") from None
        if not 0 <= value < 1 << 8 * known.size:
            raise UsageError(f"--ctx {text}: {name} holds {8 * known.size} bits")
        found[name] = value
    return found


def registers(path: str, base: Input) -> list[Input]:
    """`--regs FILE.json`: an object of registers by name, or a list of such objects, a run each."""
    read = _json(path)
    rows = read if isinstance(read, list) else [read]
    layout = CONTEXTS["pt_regs"]
    inputs = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise LoadError(f"{path}: item {number} is no object of registers by name")
        values = dict(base.fields)
        for name, value in row.items():
            known = layout.field(name)
            if known is None:
                raise LoadError(f"{path}: item {number}: {name!r} is no register; they are {_names(layout)}")
            if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 63) <= value < 1 << 64:
                raise LoadError(f"{path}: item {number}: {name} must be a number of 64 bits, not {value!r}")
            values[known.name] = value & (1 << 64) - 1
        inputs.append(replace(base, fields=values))
    return inputs


def _names(layout: Any) -> str:
    return ", ".join(one.name for one in layout.fields)


def contents(spec: ObjectSpec, given: Sequence[str]) -> dict[str, dict[Any, Any]]:
    """Maps by `--map NAME=FILE.json`: a list of {"key": …, "value": …} as `--json` prints them, or an object of
    values by key, or a list of values by index.
    """
    found: dict[str, dict[Any, Any]] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise UsageError(f"--map {text}: write NAME=FILE.json")
        if name not in spec.maps:
            raise UsageError(f"--map {text}: there is no map {name!r}; the maps are {', '.join(spec.maps) or 'none'}")
        found[name] = _entries(spec, spec.maps[name], path)
    return found


def _entries(spec: ObjectSpec, of: MapSpec, path: str) -> dict[Any, Any]:
    """The contents that a file gives to one map. LoadError that names the file for what does not fit."""
    read, where = _json(path), f"{path}: map {of.name}"
    if isinstance(read, dict):
        document = [{"key": _key(key), "value": value} for key, value in read.items()]
    elif isinstance(read, list):
        paired = _are_entries(spec, of, read)
        document = read if paired else [{"key": at, "value": value} for at, value in enumerate(read)]
    else:
        raise LoadError(f"{where}: {_shown(read)} is no contents; write {_FORMS}")
    found = from_json(document, where)
    try:
        encode_entries(of, spec.btf, found, spec.endian)
    except (LoadError, UsageError) as error:
        raise LoadError(f"{path}: {error}") from None
    return found


def _are_entries(spec: ObjectSpec, of: MapSpec, read: Sequence[Any]) -> bool:
    """Whether a list is of {"key": …, "value": …}, whole or not, and not of values by index."""
    shape = shape_of(spec.btf, of.value_type, of.value_size, spec.endian)
    members = shape.names if isinstance(shape, Record) else ()
    named = [one for one in read if isinstance(one, dict) and one.keys() & {"key", "value"}]
    return any(not one.keys() <= set(members) for one in named)


def _shown(read: Any) -> str:
    text = json.dumps(read)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _key(text: str) -> Any:
    try:
        return int(text, 0)
    except ValueError:
        return text


def blocks(given: Sequence[str]) -> dict[int, bytes]:
    """Memory by `--memory ADDR=FILE`: what programs read of user space."""
    found: dict[int, bytes] = {}
    for text in given:
        address, equals, path = text.partition("=")
        try:
            at = int(address, 0)
        except ValueError:
            at = -1
        if not equals or not 0 <= at < 1 << 64:
            raise UsageError(f"--memory {text}: write ADDRESS=FILE, as in 0x7fff0000=stack.bin")
        found[at] = read_file(path)
    return found


def read_file(path: str) -> bytes:
    """A file as a whole. LoadError for what cannot be read, or is very large."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_FILE + 1)
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_FILE:
        raise LoadError(f"{path}: more than {MOST_FILE} bytes")
    return data


def _json(path: str) -> Any:
    data = read_file(path)
    if not data.strip():
        raise LoadError(f"{path}: not JSON: the file is empty")
    try:
        return json.loads(data, object_pairs_hook=_members)
    except RecursionError:
        raise LoadError(f"{path}: not JSON: nested too deeply") from None
    except ValueError as error:
        raise LoadError(f"{path}: not JSON: {str(error).partition('; use sys.')[0]}") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two members of one name JSON would drop the first."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has two members {twice!r}")
    return found
