"""Files that hold one sequence of map operations, as JSON; `bpfvm fuzz --replay FILE` reads them.

    {"case": "hash:1:42", "map": {"type", "key_size", "value_size", "max_entries", "flags", "extra", "key_type",
     "value_type"},
     "operations": [{"side", "name", "key": HEX, "value": HEX or [HEX …], "flags", "number", "cpu"} …],
     "differences": [LINE …]}

Type ids are those of bpfvm.fuzz.maps.program, for values with a lock. A map of maps has "inner" in "map" and "beside",
those that may stand in it, by name. What is 0 or empty is left out. `differences` is for the reader only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpfvm.core.articles import an
from bpfvm.core.bits import M64
from bpfvm.core.errors import LoadError
from bpfvm.fuzz.maps.differ import Difference
from bpfvm.fuzz.maps.operation import MAP, USER, Operation, Sequence, Value
from bpfvm.fuzz.maps.program import operations
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME

_SIZES = ("key_size", "value_size", "max_entries", "flags", "extra", "key_type", "value_type")
_NUMBERS = ("flags", "number", "cpu")


def write(folder: Path, found: Difference) -> Path:
    """A file for the difference in `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"map-{found.case.name.replace(':', '-')}.json"
    path.write_text(json.dumps(document(found), indent=1) + "\n", encoding="utf-8")
    return path


def document(found: Difference) -> dict[str, Any]:
    """The sequence for JSON."""
    case = found.case
    return {
        "case": case.name,
        "map": _map(case.map),
        **({"beside": {one.name: _map(one) for one in case.beside}} if case.beside else {}),
        "operations": [_operation(one) for one in case.operations],
        "differences": list(found.lines),
    }


def of_document(found: Mapping[str, Any], file: str) -> Sequence:
    """The sequence that a document holds. LoadError with the file says what is wrong with it."""
    try:
        spec = _spec(MAP, found["map"])
        beside = tuple(_spec(name, one) for name, one in found.get("beside", {}).items())
        done = tuple(_read(spec, one) for one in found["operations"])
        return Sequence(str(found["case"]), spec, done, beside)
    except KeyError as error:
        raise LoadError(f"{file}: a sequence has {error}, and this one does not") from None
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise LoadError(f"{file}: this is no sequence of map operations: {error}") from None


def _map(spec: MapSpec) -> dict[str, Any]:
    sizes = {name: number for name in _SIZES if (number := getattr(spec, name)) or name in _SIZES[:3]}
    return {"type": spec.type, **sizes, **({"inner": _map(spec.inner)} if spec.inner is not None else {})}


def _operation(one: Operation) -> dict[str, Any]:
    value: str | list[str] = one.value.hex() if isinstance(one.value, bytes) else [part.hex() for part in one.value]
    words = {"key": one.key.hex(), "value": value, **{name: getattr(one, name) for name in _NUMBERS}}
    return {"side": one.side, "name": one.name, **{name: word for name, word in words.items() if word}}


def _spec(name: str, given: Mapping[str, Any]) -> MapSpec:
    kind = str(given["type"])
    if kind not in BY_NAME:
        raise ValueError(f"there is no map type {kind!r}")
    sizes = int(given["key_size"]), int(given["value_size"]), int(given["max_entries"])
    inner = _spec(f"{name}.inner", given["inner"]) if "inner" in given else None
    flags, extra, key_type, value_type = (int(given.get(one, 0)) for one in _SIZES[3:])
    return MapSpec(name, kind, *sizes, flags, key_type, value_type, extra=extra, inner=inner)


def _read(spec: MapSpec, given: Mapping[str, Any]) -> Operation:
    side, name = str(given["side"]), str(given["name"])
    known = USER if side == "user" else operations(spec) if side == "program" else ()
    if name not in known:
        raise ValueError(f"there is no operation {name!r} of side {side!r} on {an(spec.type)} map")
    value = given.get("value", "")
    read: Value = [bytes.fromhex(one) for one in value] if isinstance(value, list) else bytes.fromhex(value)
    key = bytes.fromhex(given.get("key", ""))
    if len(key) != spec.key_size:
        raise ValueError(f"a key of {len(key)} bytes, and the map has {spec.key_size}")
    _check_value(spec, side, name, read)
    flags, number, cpu = (int(given.get(one, 0)) for one in _NUMBERS)
    if min(flags, number, cpu) < 0 or max(flags, number) > M64:
        raise ValueError("flags, number and cpu have up to 64 bits and no sign")
    return Operation(side, name, key, read, flags, number, cpu)


def _check_value(spec: MapSpec, side: str, name: str, value: Value) -> None:
    """ValueError for a value that the operation does not take."""
    row, size = BY_NAME[spec.type], (spec.inner or spec).value_size
    if side == "user" and row.holds in ("map", "prog"):
        if isinstance(value, list):
            raise ValueError("a value is the name of what stands there")
        return
    if isinstance(value, list) != (side == "user" and row.per_cpu and value != b""):
        raise ValueError("a list of values is what user space stores in a per-CPU map, and nobody in others")
    sizes = [len(one) for one in value] if isinstance(value, list) else [len(value)]
    unused = not value and (side == "program" or name != "update") and row.name != "bloom_filter"
    if not unused and set(sizes) != {size}:
        raise ValueError(f"a value of {', '.join(map(str, sizes))} bytes, and the map has {size}")
