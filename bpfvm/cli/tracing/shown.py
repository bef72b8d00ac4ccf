"""Events and contents of maps as lines of text, or as JSON, a document a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from bpfvm.cli.report import show_map
from bpfvm.lang.types.layout import View
from bpfvm.lang.types.pointers import Pointer
from bpfvm.lang.types.structs import StructType
from bpfvm.lang.userspace.values import Chars
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.contents import to_json


class Printer:
    """Where they go: standard output."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self.events = 0

    def event(self, name: str, value: Any) -> None:
        """One event of the map `name`."""
        self.events += 1
        plain = plain_of(value)
        if self._json:
            click.echo(json.dumps({"map": name, "event": plain}))
        elif isinstance(plain, dict):
            click.echo(f"{name}: {' '.join(f'{key}={_short(one)}' for key, one in plain.items())}")
        else:
            click.echo(f"{name}: {_short(plain)}")

    def maps(
        self, contents: Mapping[str, tuple[MapSpec, list[tuple[Any, Any]]]], lost: Mapping[str, int | None]
    ) -> None:
        """What is there at the end, and how many events of each map found no room: None where nobody counts."""
        found = {
            name: [{"key": plain_of(key), "value": plain_of(value)} for key, value in pairs]
            for name, (_, pairs) in contents.items()
        }
        if self._json:
            click.echo(json.dumps({"maps": found, "events": self.events, "lost": dict(lost)}))
            return
        for name, entries in found.items():
            show_map(name, contents[name][0], entries)
        for name, count in lost.items():
            unknown = f"nobody counts lost events: a ring's are the program's to count, in a variable {name}_lost"
            click.echo(f"{name}: {unknown if count is None else f'{count} events were lost'}")


def plain_of(value: Any) -> Any:
    """A key, a value or an event as JSON has it: texts of char, other bytes in hex."""
    if isinstance(value, View):
        kind: Any = value.__class__
        if isinstance(kind, StructType):
            return {name: plain_of(getattr(value, name)) for name in kind.__members__}
    if isinstance(value, Chars):
        return str(value)
    if isinstance(value, Pointer):
        return value.addr
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return [plain_of(one) for one in value]
    if hasattr(value, "_asdict"):
        return {name: plain_of(one) for name, one in value._asdict().items()}
    return to_json(value)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
