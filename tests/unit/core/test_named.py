"""Things by name."""

from __future__ import annotations

import pickle

import pytest

from bpfvm.core.named import Named


def test_what_is_not_there_is_told_with_what_is() -> None:
    maps = Named("map", {"a": 1, "b": 2})
    for one in (maps, pickle.loads(pickle.dumps(maps))):
        assert one == {"a": 1, "b": 2}
        assert one.get("c") is None
        with pytest.raises(KeyError, match="there is no map 'c'; the maps are a, b"):
            one["c"]
    with pytest.raises(KeyError, match="there is no program 1; the programs are none"):
        Named("program")[1]  # type: ignore[index]
