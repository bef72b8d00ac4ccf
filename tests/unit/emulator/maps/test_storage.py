"""Storage that belongs to objects, and maps in which nothing can stand."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input
from bpfvm.emulator.maps.storage import CgroupStorage, ObjectStorage
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec

NO_PREALLOC = 1


def made(kind: str, key: int, entries: int, flags: int = 0, value: int = 8) -> System:
    return System(ObjectSpec({}, {"m": MapSpec("m", kind, key, value, entries, flags)}), ["m"], cpus=2)


@pytest.mark.parametrize("kind", ["sk_storage", "inode_storage", "task_storage", "cgrp_storage"])
@given(calls=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(("get", "add", "remove", "restore")))))
def test_it_behaves_as_a_dict_by_object(kind: str, calls: list[tuple[int, str]]) -> None:
    system = made(kind, 4, 0, NO_PREALLOC)
    store, model = system.maps["m"], dict[int, bytes]()
    assert isinstance(store, ObjectStorage)
    for number, (owner, what) in enumerate(calls):
        found = store.value_of(owner)
        assert (store.get(found) if found else None) == model.get(owner)
        if what == "add" and not found:
            value = None if number % 2 else bytes([number]) * 8
            assert store.get(store.add(owner, value)) == (value or bytes(8))
            model[owner] = value or bytes(8)
        elif what == "remove":
            assert store.remove(owner) == (0 if model.pop(owner, None) is not None else -errno.ENOENT)
        elif what == "restore":
            system.restore(system.snapshot())


def test_user_space_has_no_objects() -> None:
    store = made("task_storage", 4, 0, NO_PREALLOC).maps["m"]
    assert store.sys_lookup(bytes(4)) == -errno.EBADF
    assert store.entries() == []
    with pytest.raises(LoadError, match="belong to objects of the kernel"):
        store.fill([(bytes(4), bytes(8))])


@pytest.mark.parametrize(("kind", "shared"), [("cgroup_storage", True), ("percpu_cgroup_storage", False)])
def test_a_cgroup_has_one_value_that_each_run_begins_with_zeros(kind: str, shared: bool) -> None:
    system = made(kind, 16, 0)
    store = system.maps["m"]
    assert isinstance(store, CgroupStorage)
    store.put(store.local(), b"12345678")
    here = store.local()
    system.cpu = 1
    assert (store.local() == here) == shared
    system.begin(Input())
    assert store.get(here) == bytes(8)
    assert (store.entries(), store.sys_lookup(bytes(16))) == ([], -errno.ENOENT)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [("stack_trace", 16, "stored by programs only"), ("cgroup_array", 4, "the machine has none")],
)
def test_what_cannot_stand_there(kind: str, value: int, words: str) -> None:
    store = made(kind, 4, 3, value=value).maps["m"]
    with pytest.raises(LoadError, match=words):
        store.fill([(bytes(4), bytes(value))])
    assert store.entries() == []
