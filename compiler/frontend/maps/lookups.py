"""Lookups that have been made: what `k in m` has found, `m[k]` need not look up again.

An entry stands in the state, so it holds on the ways behind its test alone, and until something happens that may take
the element away: a store or a deletion in its map, any call that is not known to leave maps alone.
"""

from __future__ import annotations

from bpfvm.compiler.frontend.state import State
from bpfvm.compiler.frontend.translation import Register, Translation


def known(f: Translation, map: str, key: object) -> Register | None:
    """The address of what stands under a key, which is there for certain."""
    found = f.state.looked.get((map, key)) if key is not None else None
    return found[0] if found is not None and found[1] == f.builder.effects else None


def note(f: Translation, state: State, map: str, key: object, address: Register) -> None:
    """From `state` on something stands at this address under the key."""
    if key is not None:
        state.looked[map, key] = address, f.builder.effects


def forget(f: Translation, map: str) -> None:
    """Something was stored in the map, or deleted. What was found in another map may be any map."""
    if map.endswith("]"):
        f.state.looked = {}
    f.state.looked = {key: found for key, found in f.state.looked.items() if key[0] != map}
