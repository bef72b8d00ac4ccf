"""Lookups that have been made: what `k in m` has found, `m[k]` need not look up again.

An entry stands in the state, so it holds on the ways behind its test or its store alone, and until something happens
that may take the element away: a deletion in its map, a store there (which may push another element out), any call that
is not known to leave maps alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from bpfvm.compiler.frontend.state import Looked, State
from bpfvm.compiler.frontend.translation import Register, Translation

_TRIED = "tried"  # in front of keys that were looked up, and are there or not


def known(f: Translation, map: str, key: object) -> Register | None:
    """The address of what stands under a key, which is there for certain. None where it is not known."""
    return f.state.looked.get((map, key)) if key is not None else None


def is_sure(f: Translation, map: str, key: object) -> bool:
    """Whether something stands under a key, in CPython for certain."""
    return key is not None and (map, key) in f.state.looked


def note(state: State, map: str, key: object, address: Register | None) -> None:
    """From `state` on something stands under the key, at this address where it is known."""
    if key is not None:
        state.looked[map, key] = address


def tried(f: Translation, map: str, key: object) -> Register | None:
    """What a lookup of the key gave, 0 where nothing stood there. None where there was none that still holds."""
    return f.state.looked.get((map, (_TRIED, key))) if key is not None else None


def note_tried(state: State, map: str, key: object, address: Register) -> None:
    """From `state` on a lookup of the key would give the same again."""
    if key is not None:
        state.looked[map, (_TRIED, key)] = address


def forget(f: Translation, map: str) -> None:
    """Something was stored in the map, or deleted. What was found in another map may be any map."""
    if map.endswith("]"):
        f.state.looked = {}
    f.state.looked = {key: found for key, found in f.state.looked.items() if key[0] != map}


def common(states: Sequence[State]) -> Looked:
    """What is there on every way; where, if all ways know one address."""
    first, *others = (one.looked for one in states)
    found: Looked = {}
    for key, address in first.items():
        if all(key in one for one in others):
            found[key] = address if all(one[key] is address for one in others) else None
    return found
