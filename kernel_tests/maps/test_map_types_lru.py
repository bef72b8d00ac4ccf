"""The probes of LRU maps that the emulator is modelled on, asked of the running kernel again."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.obj.model import MapSpec
from kernel_tests.loading import release
from tests.unit.emulator.maps.test_lru import PROBES, key

pytestmark = [
    pytest.mark.skipif(release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"),
    pytest.mark.skipif(possible_cpus() != 2, reason="measured with 2 possible CPUs, and here are others"),
]


@pytest.mark.parametrize(("entries", "flags", "inserted", "left"), PROBES)
def test_how_many_are_left(entries: int, flags: int, inserted: int, left: int) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    try:
        with closing(KernelMap(MapSpec("m", "lru_hash", 4, 8, entries, flags))) as made:
            user = Calls(made)
            for number in range(inserted):
                assert user.sys_update(key(number), bytes(8)) == 0
            held = [number for number in range(inserted) if not isinstance(user.sys_lookup(key(number)), int)]
    finally:
        os.sched_setaffinity(0, before)
    assert len(held) == left
    if inserted <= entries + 1:
        assert held == list(range(inserted - left, inserted))
