"""One operation on a map, and a sequence of them: what machines are given, and what they answer.

Programs operate by helpers, user space by bpf(2). What an operation answers has one form for both sides, so that it can
be compared and written down: a number (0, a negative errno, 1 for a value that was found) and bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bpfvm.obj.model import MapSpec

MAP = "m"  # the map's name in its object
Value: TypeAlias = "bytes | list[bytes]"  # a list has one item a CPU
Answer: TypeAlias = "tuple[int, bytes | list[bytes]]"

# what programs do -> its number in their code
PROGRAM = {
    "lookup": 1, "update": 2, "delete": 3, "lookup_percpu": 4, "each": 5, "each_delete": 6, "stale": 7, "store": 8,
    "push": 9, "pop": 10, "peek": 11, "inner_lookup": 12, "inner_update": 13, "inner_delete": 14, "tail_call": 15,
    "redirect": 16,
}  # fmt: skip
USER = ("lookup", "update", "delete", "lookup_and_delete", "next_key", "first_key", "contents")


@dataclass(frozen=True, slots=True)
class Operation:
    """side: "program" or "user". name: one of PROGRAM or USER. cpu: where it is done.

    key, value, flags: what the operation takes of them; a value of maps of maps and of program arrays is a name.
    number: the CPU that lookup_percpu asks for, or of maps of maps the key in the inner map.
    """

    side: str
    name: str
    key: bytes = b""
    value: Value = b""
    flags: int = 0
    number: int = 0
    cpu: int = 0

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, bytes) else b"|".join(self.value)
        words = [f"{self.side} on CPU {self.cpu}: {self.name}"]
        words += [f"key {self.key.hex()}"] if self.key else []
        words += [f"value {value.hex()}"] if value else []
        words += [f"flags {self.flags:#x}"] if self.flags else []
        words += [f"number {self.number:#x}"] if self.number else []
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Sequence:
    """name: where it came from. map: its declaration, with the name MAP. beside: other maps that may stand in it."""

    name: str
    map: MapSpec
    operations: tuple[Operation, ...]
    beside: tuple[MapSpec, ...] = ()


def shape(spec: MapSpec) -> str:
    """A map's declaration in a few words."""
    inner = f" of {shape(spec.inner)}" if spec.inner is not None else ""
    extra = f" extra {spec.extra}" if spec.extra else " with a lock" if spec.value_type else ""
    return f"{spec.type} {spec.key_size}:{spec.value_size} x {spec.max_entries} flags {spec.flags:#x}{extra}{inner}"


def padded(size: int) -> int:
    """`size` rounded up to 8 bytes."""
    return (size + 7) & ~7
