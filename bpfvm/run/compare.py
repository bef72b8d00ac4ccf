"""Differences between two outcomes, as lines that a person can read."""

from __future__ import annotations

from typing import Any

from bpfvm.core.machine import Fault
from bpfvm.run.outcome import Outcome

SILENT = {"kernel": ("redirect", "trace")}  # what BPF_PROG_TEST_RUN does not show
SHOWN = 5  # differing map entries to print before the rest is only counted


def differences(left: str, a: Outcome, right: str, b: Outcome) -> list[str]:
    """One line for each thing that differs between outcome `a` of engine `left` and `b` of `right`; [] when equal.

    Everything is compared but `insns` and the engines' own names. A fault is compared by kind and place, not by its
    words; what a machine cannot tell (a packet or context it does not give back: None) is not compared.
    """
    lines = []
    for name in ("value", "action", "trace", "redirect", "events"):
        one, two = getattr(a, name), getattr(b, name)
        if one != two and not any(name in SILENT.get(engine, ()) for engine in (left, right)):
            lines.append(f"{name}: {left} {_show(name, one)}, {right} {_show(name, two)}")
    if a.packet is not None and b.packet is not None and a.packet != b.packet:
        lines.append(_packets(left, a.packet, right, b.packet))
    if _place(a.fault) != _place(b.fault):
        lines.append(f"fault: {left} {a.fault or 'none'}, {right} {b.fault or 'none'}")
    for name in dict.fromkeys((*a.maps, *b.maps)):
        lines += _map(name, left, a.maps.get(name), right, b.maps.get(name))
    return lines


def _show(name: str, value: Any) -> str:
    return f"{value} ({value:#x})" if name == "value" and isinstance(value, int) else repr(value)


def _place(fault: Fault | None) -> tuple[object, ...] | None:
    if fault is None:
        return None
    return (fault.kind, fault.source.file, fault.source.line) if fault.source else (fault.kind,)


def _packets(left: str, a: bytes, right: str, b: bytes) -> str:
    if len(a) != len(b):
        return f"packet: {left} {len(a)} bytes, {right} {len(b)} bytes"
    at = next(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    return f"packet: from byte {at}: {left} {a[at : at + 8].hex()}, {right} {b[at : at + 8].hex()}"


def _map(name: str, left: str, a: dict[Any, Any] | None, right: str, b: dict[Any, Any] | None) -> list[str]:
    if a is None or b is None:
        return [f"map {name}: only {left if b is None else right} has it"] if a != b else []
    keys = [key for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key)]
    lines = [f"map {name}[{key}]: {left} {a.get(key)}, {right} {b.get(key)}" for key in keys[:SHOWN]]
    if len(keys) > SHOWN:
        lines.append(f"map {name}: {len(keys) - SHOWN} more entries differ")
    return lines
