"""Maps of elements: dictionaries of bytes, whose state is in the arena alone and whose values keep their addresses."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import HELPERS
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.maps import BY_NAME, flag_bits

HASHES = ("hash", "percpu_hash", "lru_hash", "lru_percpu_hash")
OWN_LISTS = flag_bits("no_common_lru")


def machine(spec: MapSpec, cpus: int = 2) -> tuple[System, MapStore]:
    system = System(ObjectSpec({}, {"m": spec}), ["m"], cpus)
    return system, system.maps["m"]


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


def values(spec: MapSpec, data: bytes, cpus: int = 2) -> Any:
    return [data] * cpus if BY_NAME[spec.type].per_cpu else data


@settings(max_examples=60)
@given(
    st.sampled_from(("hash", "percpu_hash")),
    st.sampled_from((0, flag_bits("no_prealloc"))),
    st.lists(
        st.tuples(st.sampled_from(("update", "delete", "pop")), st.integers(0, 9), st.integers(0, 255)), max_size=60
    ),
)
def test_a_hash_behaves_as_a_dictionary(kind: str, flags: int, done: list[tuple[str, int, int]]) -> None:
    spec = MapSpec("m", kind, 4, 3, 6, flags)
    _, store = machine(spec)
    model: dict[bytes, Any] = {}
    for operation, number, filler in done:
        name, value = key(number), values(spec, bytes([filler]) * 3)
        if operation == "update":
            fits = name in model or len(model) < 6
            assert store.sys_update(name, value) == (0 if fits else -errno.E2BIG)
            if fits:
                model[name] = value
        elif operation == "delete":
            assert store.sys_delete(name) == (0 if model.pop(name, None) is not None else -errno.ENOENT)
        else:
            assert store.sys_lookup_and_delete(name) == model.pop(name, -errno.ENOENT)
    assert store.entries() == sorted(model.items())
    assert {one for one, _ in _walked(store)} == set(model)


def _walked(store: MapStore) -> list[tuple[bytes, int]]:
    system = store.system  # type: ignore[attr-defined]
    return [(system.arena.read(at, store.spec.key_size), value) for at, value in store.walk()]


@pytest.mark.parametrize("kind", HASHES)
@pytest.mark.parametrize("flags", [0, flag_bits("no_prealloc"), OWN_LISTS])
def test_a_restored_arena_is_the_whole_state(kind: str, flags: int) -> None:
    """Also when the map grew since: what it answers then is what it answered the first time."""
    if flags & ~BY_NAME[kind].allowed_flags:
        return
    spec = MapSpec("m", kind, 4, 8, 200, flags)
    system, store = machine(spec)
    for number in range(20):
        store.sys_update(key(number), values(spec, number.to_bytes(8, "little")))
    before = store.entries()
    snapshot = system.snapshot()

    def go_on() -> list[object]:
        answers: list[object] = [store.sys_delete(key(3)), store.lookup(key(5)), store.sys_delete(key(4))]
        for number in range(15, 300):
            answers.append(store.sys_update(key(number), values(spec, bytes(8))))
        return [*answers, store.lookup(key(250)), store.next_key(None), store.entries()]

    first = go_on()
    system.restore(snapshot)
    assert store.entries() == before
    assert go_on() == first


@pytest.mark.parametrize("kind", ["hash", "percpu_hash"])
def test_values_keep_their_addresses(kind: str) -> None:
    spec = MapSpec("m", kind, 4, 8, 100)
    _, store = machine(spec)
    store.sys_update(key(1), values(spec, b"abcdefgh"))
    address = store.lookup(key(1))
    for number in range(2, 90):
        store.sys_update(key(number), values(spec, bytes(8)))
    assert store.lookup(key(1)) == address
    assert address % 8 == 0
    pointer = store.element(address + 3)
    assert (pointer.offset, pointer.region.size, bytes(pointer.region.data)) == (3, 8, b"abcdefgh")


def test_the_value_of_an_update_is_another_one() -> None:
    """A pointer to the old value reads it until the second update after: the CPU's spare element comes back then."""
    system, store = machine(MapSpec("m", "hash", 4, 8, 4))
    store.update(key(1), b"first...", 0)
    old = store.lookup(key(1))
    store.update(key(1), b"second..", 0)
    assert store.lookup(key(1)) != old
    assert system.arena.read(old, 8) == b"first..."
    store.update(key(1), b"third...", 0)
    assert (store.lookup(key(1)), system.arena.read(old, 8)) == (old, b"third...")


@pytest.mark.parametrize("kind", ["hash", "lru_hash", "percpu_hash", "lru_percpu_hash"])
def test_elements_may_be_deleted_while_a_loop_stands_on_them(kind: str) -> None:
    spec = MapSpec("m", kind, 4, 8, 50)
    system, store = machine(spec)
    for number in range(40):
        store.update(key(number), bytes(8), 0)
    seen = []
    for at, _ in store.walk():
        name = system.arena.read(at, 4)
        seen.append(name)
        store.delete(name)
    assert sorted(seen) == [key(number) for number in range(40)]
    assert store.entries() == []


def test_a_pointer_into_a_key_is_held_to_the_key() -> None:
    _, store = machine(MapSpec("m", "hash", 12, 8, 4))
    store.update(bytes(range(12)), bytes(8), 0)
    ((at, value),) = store.walk()
    pointer = store.element(at + 2)
    assert (pointer.region.kind, pointer.offset, bytes(pointer.region.data)) == ("map key", 2, bytes(range(12)))
    assert not pointer.region.writable
    assert store.element(value).region.kind == "map value"


def test_a_new_key_of_a_program_has_zeros_on_other_cpus() -> None:
    for kind in ("percpu_hash", "lru_percpu_hash"):
        system, store = machine(MapSpec("m", kind, 4, 3, 2), 3)
        for number in range(2):
            store.sys_update(key(number), [b"abc"] * 3)
        store.delete(key(0))
        system.cpu = 1
        assert store.update(key(5), b"xyz", 0) == 0
        assert store.sys_lookup(key(5)) == [bytes(3), b"xyz", bytes(3)]
        assert [store.lookup_percpu(key(5), cpu) > 0 for cpu in range(4)] == [True, True, True, False]


def test_nested_loops_over_an_array_have_keys_of_their_own() -> None:
    system, store = machine(MapSpec("m", "array", 4, 8, 3))
    seen = []
    for outer, _ in store.walk():
        for inner, _ in store.walk():
            seen.append((system.arena.read(outer, 1)[0], system.arena.read(inner, 1)[0]))
    assert seen == [(one, two) for one in range(3) for two in range(3)]


@pytest.mark.parametrize("kind", ["array", "percpu_array", *HASHES, "array_of_maps", "hash_of_maps", "prog_array"])
def test_what_the_kernel_would_not_load_is_a_fault_that_names_helper_and_type(kind: str) -> None:
    row = BY_NAME[kind]
    inner = MapSpec("m.inner", "array", 4, 8, 1) if row.inner else None
    size = 8 if 8 in row.values else 4
    _, store = machine(MapSpec("m", kind, 4, size, 1, inner=inner))
    name, value = bytes(4), bytes(size)
    calls: dict[str, Callable[[], object]] = {
        "map_lookup_elem": lambda: store.lookup(name), "map_update_elem": lambda: store.update(name, value, 0),
        "map_delete_elem": lambda: store.delete(name), "map_push_elem": lambda: store.push(value, 0),
        "map_pop_elem": lambda: store.pop(), "for_each_map_elem": lambda: list(store.walk()),
        "map_lookup_percpu_elem": lambda: store.lookup_percpu(name, 0),
    }  # fmt: skip
    for helper, call in calls.items():
        if helper in HELPERS[kind]:
            call()
        else:
            with pytest.raises(Stop, match=f"{helper} does not take {an(kind)} map"):
                call()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (MapSpec("m", "hash", 0, 8, 1), "keys of at least 1"),
        (MapSpec("m", "hash", 4, 0, 1), "values of at least 1"),
        (MapSpec("m", "hash", 4, 8, 0), "at least 1 entry"),
        (MapSpec("m", "hash", 4, 8, 1, flag_bits("no_common_lru")), "does not take the flags no_common_lru"),
        (MapSpec("m", "hash", 4, 8, 1, flag_bits("rdonly wronly")), "rdonly and wronly exclude"),
        (MapSpec("m", "hash", 4, 4 << 20, 1), "keys and values together of at most"),
        (MapSpec("m", "percpu_hash", 4, 40000, 1), "values of at most 32768"),
        (MapSpec("m", "percpu_array", 4, 40000, 1), "values of at most 32768"),
        (MapSpec("m", "hash", 4, 8, 1 << 31), "less than"),
        (MapSpec("m", "hash", 4, 8, 1, extra=3), "map_extra is 3"),
    ],
)
def test_declarations_that_the_kernel_refuses(spec: MapSpec, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        machine(spec)


@pytest.mark.parametrize(
    ("spec", "entries", "message"),
    [
        (MapSpec("m", "hash", 4, 3, 1), [(key(1), b"abc"), (key(2), b"abc")], r"no room for key 02000000 \(in hex\), "),
        (
            MapSpec("m", "queue", 0, 3, 1),
            [(b"", b"abc"), (b"", b"abc")],
            "there is no room for this value, max_entries is 1",
        ),
        (MapSpec("m", "hash", 4, 3, 1), [(b"abc", b"abc")], "a key must be 4 bytes, not 3"),
        (MapSpec("m", "hash", 4, 3, 1), [(key(1), [b"abc"])], "a value must be 3 bytes"),
        (MapSpec("m", "percpu_hash", 4, 3, 1), [(key(1), b"abc")], "a value must be a list of 2"),
        (MapSpec("m", "percpu_hash", 4, 3, 1), [(key(1), [b"abc", b"a"])], "each CPU's value must be 3 bytes"),
        (MapSpec("m", "percpu_array", 4, 3, 2), [(key(2), [b"abc", b"abc"])], "index 2 is not below 2"),
        (MapSpec("m", "hash", 4, 3, 1, flag_bits("rdonly")), [(key(1), b"abc")], "forbid user space to write"),
    ],
)
def test_contents_that_do_not_fit(spec: MapSpec, entries: Any, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        machine(spec)[1].fill(entries)
