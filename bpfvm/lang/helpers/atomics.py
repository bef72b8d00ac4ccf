"""Atomic operations with a result: `bpf.fetch_add(m, k, n)`.

What is operated on is named by what holds it: a map and a key, a struct and the name of a field, an array and an index.
It is a number of 32 or 64 bits. The result is what stood there before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bpfvm.lang.maps.data import Data
from bpfvm.lang.types.structs import StructView


@dataclass(frozen=True, slots=True, eq=False)
class Fetch:
    """One operation. numbers: how many it takes. new: makes of the old value, and of these, what is stored."""

    name: str
    numbers: int
    new: Callable[..., Any]

    def __call__(self, owner: Any, key: Any, *numbers: int) -> Any:
        if len(numbers) != self.numbers:
            raise TypeError(f"{self.name} takes {2 + self.numbers} arguments, not {2 + len(numbers)}")
        if isinstance(owner, StructView) or (isinstance(owner, Data) and isinstance(key, str)):
            old = getattr(owner, key)
            setattr(owner, key, self.new(old, *numbers))
        else:
            old = owner[key]
            owner[key] = self.new(old, *numbers)
        return old


fetch_add = Fetch("fetch_add", 1, lambda old, number: old + number)
fetch_or = Fetch("fetch_or", 1, lambda old, number: old | number)
fetch_and = Fetch("fetch_and", 1, lambda old, number: old & number)
fetch_xor = Fetch("fetch_xor", 1, lambda old, number: old ^ number)
xchg = Fetch("xchg", 1, lambda old, number: number)
cmpxchg = Fetch("cmpxchg", 2, lambda old, expected, number: number if old == expected else old)
