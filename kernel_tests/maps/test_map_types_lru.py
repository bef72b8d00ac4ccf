"""The probes of LRU maps that the emulator is modelled on, asked of the running kernel again."""

from __future__ import annotations

import os
import random
from contextlib import closing

import pytest

from bpfvm.emulator.system import System
from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.obj.model import MapSpec, ObjectSpec
from kernel_tests.loading import release
from tests.unit.emulator.maps.test_lru import OWN, PROBES, key

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


@pytest.mark.parametrize("kind", ["lru_hash", "lru_percpu_hash"])
@pytest.mark.parametrize("flags", [0, OWN], ids=["common", "own"])
@pytest.mark.parametrize("entries", [2, 16, 100])
def test_both_cpus_change_a_map(kind: str, flags: int, entries: int) -> None:
    """Updates and deletions on one CPU after another leave the elements that the emulator's leave."""
    source, before, spec = random.Random(entries), os.sched_getaffinity(0), MapSpec("m", kind, 4, 8, entries, flags)
    system = System(ObjectSpec({}, {"m": spec}), ["m"], 2)
    store, value = system.maps["m"], bytes(8) if kind == "lru_hash" else [bytes(8)] * 2
    try:
        with closing(KernelMap(spec)) as made:
            user = Calls(made)
            for number in range(8 * entries):
                system.cpu = source.randrange(2)
                os.sched_setaffinity(0, {system.cpu})
                name = key(source.randrange(2 * entries))
                if source.random() < 0.2:
                    assert user.sys_delete(name) == store.sys_delete(name), number
                else:
                    flag = source.choice((0, 0, 0, 1, 2))
                    assert user.sys_update(name, value, flag) == store.sys_update(name, value, flag), number
                keys = range(2 * entries) if number % 7 == 0 else ()
                held = [not isinstance(user.sys_lookup(key(one)), int) for one in keys]
                assert held == [not isinstance(store.sys_lookup(key(one)), int) for one in keys], number
    finally:
        os.sched_setaffinity(0, before)
