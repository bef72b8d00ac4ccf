"""Ways from one header to another by layers, as texts: `.ip.tcp.data`."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bpfvm.lang.packets.headers import DATA, HEADERS, Header

_ANY_WAY = 0.3  # of the ways are not among the shortest
_USUAL: Mapping[tuple[str, str], int] = {("ip", ""): 20, ("tcp", "data"): 20}  # parts of distances in most packets


@dataclass(frozen=True, slots=True)
class View:
    """A header, or bytes, that a text names. end: bytes from the packet's start to it, if headers before are usual."""

    text: str
    header: Header
    start: int


def behind(view: View, layer: str) -> View:
    """The view of one of its layers."""
    one = view.header.layers[layer]
    parts = (_USUAL.get((view.header.name, "")) or _USUAL.get((view.header.name, layer)) or 0) if one.parts else 0
    return View(f"{view.text}.{layer}", HEADERS[one.header], view.start + one.distance + parts)


def walked(rng: random.Random, view: View, target: str) -> View | None:
    """The view of a header named `target` behind this one, by one of the short ways. None where none leads there."""
    steps = _steps(target)
    if view.header.name not in steps:
        return None
    while view.header.name != target or rng.random() < 0.05:
        left = steps[view.header.name]
        ways = [
            name for name, one in view.header.layers.items()
            if one.header in steps and (steps[one.header] < left or (rng.random() < _ANY_WAY and left < 4))
        ]  # fmt: skip
        if not ways or view.text.count(".") > 7:
            return view if view.header.name == target else None
        view = behind(view, rng.choice(ways))
    return view


@cache
def _steps(target: str) -> Mapping[str, int]:
    """From which headers the target is reached, and by how many layers at least."""
    found, far = {target: 0}, 0
    while True:
        far += 1
        more = {
            name: far for name, one in HEADERS.items()
            if name not in found and any(layer.header in found for layer in one.layers.values())
        }  # fmt: skip
        if not more:
            return found
        found |= more


def reachable(header: Header) -> list[str]:
    """Headers that layers lead to from this one, but for plain bytes."""
    return [name for name in HEADERS if name != DATA and header.name in _steps(name) and name != header.name]
