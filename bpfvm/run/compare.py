"""Differences between outcomes, as lines that a person can read."""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.machine import Fault, Location
from bpfvm.core.span import visible
from bpfvm.lang.faults import OVERFLOW
from bpfvm.obj.model import ProgramSpec
from bpfvm.run.outcome import Outcome
from bpfvm.tables.helpers import BY_ID

SILENT = {"kernel": ("redirect", "trace")}  # what BPF_PROG_TEST_RUN does not show
OWN = frozenset({  # helpers whose answer is the kernel's own: no machine can foretell it
    "ktime_get_ns", "ktime_get_boot_ns", "ktime_get_coarse_ns", "ktime_get_tai_ns", "jiffies64", "get_prandom_u32",
})  # fmt: skip
SHOWN = 5  # differing map entries to print before the rest is only counted


def report(
    what: str, outcomes: Mapping[str, Outcome], kind: str = "", program: ProgramSpec | None = None
) -> str | None:
    """What differs between the machines' outcomes, by engine, or None where nothing does.

    what: the call, in words. kind: the name of the value's type. program: what ran, to tell why the kernel differs.
    """
    (first, reference), *others = outcomes.items()
    found = {name: differences(first, reference, name, other, kind) for name, other in others}
    if not any(found.values()):
        return None
    agree = ", ".join([first, *(name for name, lines in found.items() if not lines)])
    parts = [f"{what} is not the same on all machines"]
    for name, lines in found.items():
        if lines:
            parts += [f"  {name} differs from {agree}:", *(f"    {line}" for line in lines)]
    if program is not None and [name for name, lines in found.items() if lines] == ["kernel"]:
        parts += _of_the_kernel(program)
    places = dict.fromkeys(source for one in outcomes.values() if one.fault and (source := one.fault.source))
    for place in places:
        if text := excerpt(place):
            parts += [f"  {place}:", *text]
    return "\n".join(parts)


def _of_the_kernel(program: ProgramSpec) -> list[str]:
    """A line where the program asks the kernel for what is its own."""
    called = (BY_ID.get(one.imm) for one in program.insns if one.op.name == "call")
    names = sorted({row.name for row in called if row is not None and row.name in OWN})
    if not names:
        return []
    given = ", ".join(f'"{name}": lambda: 0' for name in names)
    return [f"  the kernel's time and chance are its own; to compare the others: check(…, helpers={{{given}}})"]


def comparable(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Without CPython's where a compiled program ended because an exact integer does not fit (ints="checked"): CPython
    goes on there."""
    faults = (one.fault for name, one in outcomes.items() if name != "cpython")
    over = any(one is not None and (one.kind, one.message) == ("OverflowError", OVERFLOW) for one in faults)
    return {name: one for name, one in outcomes.items() if not over or name != "cpython"}


def excerpt(place: Location) -> list[str]:
    """The line that stands at a place, with its number; [] where there is no text."""
    text = linecache.getline(place.file, place.line).rstrip()
    return [f"{place.line:>9} | {visible(text)}"] if text else []


def differences(left: str, a: Outcome, right: str, b: Outcome, kind: str = "") -> list[str]:
    """One line for each thing that differs between outcome `a` of engine `left` and `b` of `right`; [] when equal.

    Everything is compared but `insns` and the engines' own names. A fault is compared by kind and place, not by its
    words; what a machine cannot tell (a packet that it does not give back: None, fields of the context that it does not
    name) is not compared. Machines may
    have different numbers of CPUs: values of those that one of them does not have must be zero.
    kind: the name of the value's type, to be shown with it.
    """
    lines = []
    if (a.value, a.action) != (b.value, b.action):
        lines.append(f"value{f' ({kind})' if kind else ''}: {left} {_value(a)}, {right} {_value(b)}")
    for name in ("trace", "redirect", "events"):
        one, two = getattr(a, name), getattr(b, name)
        if one != two and not any(name in SILENT.get(engine, ()) for engine in (left, right)):
            lines.append(f"{name}: {left} {one!r}, {right} {two!r}")
    for name in a.ctx:
        if name in b.ctx and a.ctx[name] != b.ctx[name]:
            lines.append(f"ctx.{name}: {left} {a.ctx[name]}, {right} {b.ctx[name]}")
    if a.packet is not None and b.packet is not None and a.packet != b.packet:
        lines.append(_packets(left, a.packet, right, b.packet))
    if _place(a.fault) != _place(b.fault):
        lines.append(f"fault: {left} {a.fault or 'none'}, {right} {b.fault or 'none'}")
    for name in dict.fromkeys((*a.maps, *b.maps)):
        lines += _map(name, left, a.maps.get(name), right, b.maps.get(name))
    return lines


def _value(outcome: Outcome) -> str:
    """As the program's type has it: the name of a verdict, a truth value, a number, in hex too where it is long."""
    value = outcome.value
    if outcome.action is not None:
        return f"{outcome.action} ({value})"
    return f"{value} ({value:#x})" if not isinstance(value, bool) and abs(value) > 9 else repr(value)


def _place(fault: Fault | None) -> tuple[object, ...] | None:
    if fault is None:
        return None
    return (fault.kind, fault.source.file, fault.source.line) if fault.source else (fault.kind,)


def _packets(left: str, a: bytes, right: str, b: bytes) -> str:
    if len(a) != len(b):
        return f"packet: {left} {octets(len(a))}, {right} {octets(len(b))}"
    at = next(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    return f"packet: from byte {at}: {left} {a[at : at + 8].hex()}, {right} {b[at : at + 8].hex()}"


def _map(name: str, left: str, a: dict[Any, Any] | None, right: str, b: dict[Any, Any] | None) -> list[str]:
    if a is None or b is None:
        return [f"map {name}: only {left if b is None else right} has it"] if a != b else []
    keys = [key for key in dict.fromkeys((*a, *b)) if not _same(a.get(key), b.get(key))]
    lines = [f"map {name}[{key}]: {left} {a.get(key)}, {right} {b.get(key)}" for key in keys[:SHOWN]]
    if len(keys) > SHOWN:
        lines.append(f"map {name}: {len(keys) - SHOWN} more entries differ")
    return lines


def _same(one: Any, two: Any) -> bool:
    """Whether two values of a map are equal. Lists of different lengths are those of a per-CPU map."""
    if not (isinstance(one, list) and isinstance(two, list)) or len(one) == len(two):
        return bool(one == two)
    short, long = sorted((one, two), key=len)
    return long[: len(short)] == short and all(map(_is_zero, long[len(short) :]))


def _is_zero(value: Any) -> bool:
    """Whether all its bytes are."""
    match value:
        case dict():
            return all(map(_is_zero, value.values()))
        case list() | tuple():
            return all(map(_is_zero, value))
        case str():
            return not value
        case bytes():
            return not any(value)
        case _:
            return not value
