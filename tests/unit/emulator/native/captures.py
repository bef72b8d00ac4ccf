"""Programs and captures in files, for tests of `bpfvm run` over them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bpfvm.cli import status
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.pcap import encode_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object

Captured = pytest.CaptureFixture[str]


def program(path: Path, text: str, maps: Mapping[str, MapSpec]) -> str:
    """An object of one XDP program."""
    one = ProgramSpec("count", "xdp", "xdp", tuple(assemble(text)))
    path.write_bytes(write_object(ObjectSpec({"count": one}, dict(maps), license="GPL")))
    return str(path)


def capture(path: Path, data: Iterable[tuple[int, bytes]], nanoseconds: bool = True) -> str:
    """A file of packets with their times."""
    path.write_bytes(b"".join(encode_capture(data, nanoseconds=nanoseconds)))
    return str(path)


def document(capsys: Captured, *words: str) -> tuple[int, dict[str, Any], str]:
    """The status, the JSON and the errors of a run."""
    code = status(["run", *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err
