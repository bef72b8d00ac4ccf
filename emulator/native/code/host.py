"""What LLVM says of this host, which is kept for the next process: asking takes longer than most programs run."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path

from bpfvm.obj import kept

CPUINFO = "/proc/cpuinfo"
MOVES = (
    "processor",
    "cpu MHz",
    "bogomips",
    "core id",
    "apicid",
    "initial apicid",
    "physical id",
)  # by core, or by time


def host() -> list[str]:
    """All that machine code for this host depends on; see llvm.host. ImportError where llvmlite is missing."""
    installed = importlib.util.find_spec("llvmlite")
    if installed is None:
        raise ImportError("llvmlite")
    name = _name(Path(installed.origin or "").parent)
    path = kept.folder() / "hosts" / f"{name}.json"
    found = _read(path) if name is not None else None
    if found is None:
        from bpfvm.emulator.native.code import llvm

        found = llvm.host()
        if name is not None:
            kept.write(path, json.dumps(found).encode())
    return found


def _read(path: Path) -> list[str] | None:
    data = kept.read(path)
    try:
        found = json.loads(data or b"null")
    except (ValueError, RecursionError):
        return None
    fits = isinstance(found, list) and len(found) == 5 and all(isinstance(one, str) for one in found)
    return found if fits else None


def _name(package: Path) -> str | None:
    """Of the answer: another one for another processor, or another llvmlite. None where it cannot be told."""
    try:
        with open(CPUINFO, encoding="utf-8", errors="replace") as file:
            rows = file.read(1 << 14).split("\n\n", 1)[0].splitlines()
        files = sorted((one.name, one.stat()) for one in os.scandir(package / "binding"))
        version = (package / "_version.py").read_bytes()
    except OSError:
        return None
    facts = [one for one in rows if not one.startswith(MOVES)]
    installed = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]
    return hashlib.sha256(repr((facts, installed, version)).encode()).hexdigest()
