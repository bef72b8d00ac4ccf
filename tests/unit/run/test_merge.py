"""Maps of runs that began alike, as one: what is summed, and what is left to each run."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Entries
from bpfvm.obj.model import MapSpec
from bpfvm.run.merge import merged


def words(*numbers: int) -> bytes:
    return b"".join((number % (1 << 64)).to_bytes(8, "little") for number in numbers)


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


HASH = MapSpec("m", "hash", 4, 8, 10)


def test_differences_to_the_start_are_added() -> None:
    start: Entries = [(key(1), words(100))]
    ends: list[Entries] = [[(key(1), words(103)), (key(7), words(2))], [(key(1), words(110))], [(key(1), words(99))]]
    assert merged(HASH, None, start, ends) == [(key(1), words(112)), (key(7), words(2))]


def test_sums_wrap_as_counters_do() -> None:
    ends: list[Entries] = [[(key(1), words(1 << 63))], [(key(1), words((1 << 63) + 5))]]
    assert merged(HASH, None, [], ends) == [(key(1), words(5))]


def test_counters_of_cpus_are_summed_apart() -> None:
    spec = MapSpec("m", "percpu_array", 4, 8, 2)
    start: Entries = [(key(0), [words(1), words(0)]), (key(1), [words(0), words(0)])]
    end: Entries = [(key(0), [words(4), words(1)]), (key(1), [words(0), words(9)])]
    want: Entries = [(key(0), [words(7), words(2)]), (key(1), [words(0), words(18)])]
    assert merged(spec, None, start, [end, end]) == want


def test_indexes_come_as_numbers_in_their_order() -> None:
    spec = MapSpec("m", "array", 4, 8, 300)
    start: Entries = [(key(index), words(0)) for index in range(300)]
    end: Entries = [(key(index), words(index)) for index in range(300)]
    assert merged(spec, None, start, [end, start]) == end


@pytest.mark.parametrize("spec", [MapSpec("m", "hash", 4, 16, 9), MapSpec("m", "lru_hash", 4, 8, 9),
                                  MapSpec("m", "hash", 4, 4, 9), MapSpec("m", "queue", 0, 8, 9)])  # fmt: skip
def test_what_is_no_counter_is_each_runs_own(spec: MapSpec) -> None:
    start: Entries = [(key(1), bytes(spec.value_size))]
    end: Entries = [(key(1), bytes(spec.value_size - 1) + b"\x01")]
    assert merged(spec, None, start, [end, start]) is None
    assert merged(spec, None, start, [start, start]) == start


def test_a_key_that_a_run_deleted_leaves_the_map_to_each() -> None:
    assert merged(HASH, None, [(key(1), words(1))], [[], [(key(1), words(5))]]) is None
