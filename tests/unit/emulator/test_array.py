"""Array maps: results and errno are the kernel's, as measured on 6.18."""

from __future__ import annotations

import errno
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec

SPEC = MapSpec("m", "array", 4, 3, 5)


def made(spec: MapSpec) -> MapStore:
    """The map on a system of its own."""
    return System(ObjectSpec({}, {spec.name: spec}), [spec.name]).maps[spec.name]


def key(index: int) -> bytes:
    return index.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("index", "flags", "want"),
    [
        (0, 0, 0),
        (4, 2, 0),
        (0, 1, -errno.EEXIST),
        (5, 0, -errno.E2BIG),
        (5, 1, -errno.E2BIG),
        (0xFFFF_FFFF, 2, -errno.E2BIG),
        (0, 3, -errno.EINVAL),
        (5, 1 << 40, -errno.EINVAL),
        (0, 4, -errno.EINVAL),
        (0, 5, -errno.EEXIST),
        (5, 4, -errno.E2BIG),
        (5, 6, -errno.E2BIG),
        (5, 7, -errno.EINVAL),
    ],
)
def test_update(index: int, flags: int, want: int) -> None:
    store = made(SPEC)
    assert store.update(key(index), b"abc", flags) == want
    assert [value for _, value in store.entries()].count(b"abc") == (want == 0)


def test_lookup_and_delete() -> None:
    store = made(SPEC)
    addresses = [store.lookup(key(index)) for index in range(7)]
    assert addresses[5:] == [0, 0]
    assert all(two - one == 8 for one, two in itertools.pairwise(addresses[:5]))
    assert store.delete(key(0)) == -errno.EINVAL


@given(st.lists(st.tuples(st.integers(0, 6), st.binary(min_size=3, max_size=3), st.integers(0, 4))))
def test_it_behaves_as_a_list(updates: list[tuple[int, bytes, int]]) -> None:
    store, model = made(SPEC), [bytes(3)] * 5
    for index, value, flags in updates:
        done = store.update(key(index), value, flags)
        assert (done == 0) == (index < 5 and flags in (0, 2))
        if done == 0:
            model[index] = value
    assert store.entries() == [(key(index), value) for index, value in enumerate(model)]


@pytest.mark.parametrize(
    ("spec", "entries", "error", "message"),
    [
        (MapSpec("m", "array", 8, 3, 5), [], LoadError, "keys of 4 bytes"),
        (MapSpec("m", "array", 4, 0, 5), [], LoadError, "values of at least 1"),
        (MapSpec("m", "array", 4, 3, 0), [], LoadError, "at least 1 entry"),
        (MapSpec("m", "arena", 0, 0, 5), [], Unavailable, "no arena maps"),
        (SPEC, [(key(5), b"abc")], LoadError, "index 5 is not below 5"),
        (SPEC, [(key(0), b"abcd")], LoadError, "a value must be 3 bytes"),
        (SPEC, [(key(0), [b"abc"])], LoadError, "a value must be 3 bytes"),
    ],
)
def test_refusals(spec: MapSpec, entries: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        made(spec).fill(entries)
