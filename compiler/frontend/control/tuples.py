"""Tuples around loops: at a loop's head each item is a name of its own, and what it can be is guessed as of any other.

The items' names stand in the state where a turn begins and where it ends, the tuple's between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bpfvm.compiler.frontend.binding import Conflict, Growing, Stale, Unbound
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Tuple

Tuples = Mapping[str, tuple[str, ...]]  # the name of a tuple -> those of its items


def apart(f: Translation, names: Iterable[str], whole: frozenset[str] = frozenset()) -> tuple[Tuples, list[str]]:
    """Give the items of tuples names. Which, and all the names that go around the loop. whole: tuples that stay."""
    found: dict[str, tuple[str, ...]] = {}
    single: list[str] = []
    waiting = list(dict.fromkeys(names))[::-1]
    while waiting:
        name = waiting.pop()
        bound = f.state.names.get(name)
        if not isinstance(bound, Tuple) or not bound.items or name in whole:
            single.append(name)
            continue
        found[name] = tuple(f"{name} item {place}" for place in range(len(bound.items)))
        f.state.names.update(zip(found[name], bound.items, strict=True))
        waiting += found[name][::-1]
    return found, single


def gather(f: Translation, tuples: Tuples) -> None:
    """Behind a loop's head: the tuples of their items."""
    for name, items in reversed(list(tuples.items())):
        bound = [f.state.names.pop(item) for item in items]
        wrong = next((one for one in bound if isinstance(one, Conflict | Growing | Stale | Unbound | Bad)), None)
        f.state.names[name] = wrong if wrong is not None else Tuple(tuple(bound))  # type: ignore[arg-type]


def spread(f: Translation, tuples: Tuples) -> frozenset[str]:
    """At the end of a turn: the items of the tuples. Names of what is no such tuple there."""
    odd = set()
    for name, items in tuples.items():
        bound = f.state.names.get(name)
        if isinstance(bound, Tuple) and len(bound.items) == len(items):
            f.state.names.update(zip(items, bound.items, strict=True))
        elif isinstance(bound, Bad | Growing):  # its error was said
            f.state.names.update(dict.fromkeys(items, BAD))
        else:
            odd.add(name)
    return frozenset(odd)


def forget(f: Translation, tuples: Tuples) -> None:
    """Take the items' names out of the state."""
    for items in tuples.values():
        for item in items:
            f.state.names.pop(item, None)
