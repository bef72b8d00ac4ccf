"""LPM tries: what is found, kept and given next, as the kernel does."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.trie import QUARANTINE
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.maps import flag_bits

NO_PREALLOC = flag_bits("no_prealloc")
SPEC = MapSpec("m", "lpm_trie", 8, 4, 6, NO_PREALLOC)


def system_of(spec: MapSpec) -> System:
    return System(ObjectSpec({}, {"m": spec}), ["m"])


def made(spec: MapSpec = SPEC) -> MapStore:
    return system_of(spec).maps["m"]


def key(text: str) -> bytes:
    """Of "10.0.0.0/8"."""
    data, _, length = text.partition("/")
    return int(length).to_bytes(4, "little") + bytes(map(int, data.split(".")))


def keys(store: MapStore) -> list[str]:
    """In the order of BPF_MAP_GET_NEXT_KEY."""
    found, one = [], store.next_key(None)
    while isinstance(one, bytes):
        found.append(f"{'.'.join(map(str, one[4:]))}/{one[0]}")
        one = store.next_key(one)
    return found


def fill(store: MapStore, *texts: str) -> None:
    for number, text in enumerate(texts, 1):
        assert store.sys_update(key(text), bytes([number]) * 4) == 0, text


def test_the_longest_prefix_is_found() -> None:
    store = made()
    fill(store, "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.168.0.0/17")
    wanted = {
        "10.1.2.3/32": 4, "10.1.2.4/32": 3, "10.1.2.3/31": 3, "10.2.0.0/32": 2, "10.1.0.0/15": 2,
        "10.0.0.0/7": 1, "192.168.127.1/32": 5, "192.168.128.1/32": 1, "1.1.1.1/0": 1,
    }  # fmt: skip
    for text, found in wanted.items():
        assert store.sys_lookup(key(text)) == bytes([found]) * 4, text
    assert store.sys_lookup(key("10.1.2.3/33")) == -errno.ENOENT


@pytest.mark.parametrize(
    ("text", "flags", "want"),
    [
        ("10.0.0.0/8", 0, 0),
        ("10.0.0.0/8", 1, -errno.EEXIST),
        ("10.255.255.255/8", 1, -errno.EEXIST),
        ("10.0.0.0/8", 2, 0),
        ("10.0.0.0/9", 2, -errno.ENOENT),
        ("10.0.0.0/9", 1, 0),
        ("10.0.0.0/7", 2, -errno.ENOENT),
        ("10.0.0.0/33", 0, -errno.EINVAL),
        ("10.0.0.0/33", 3, -errno.EINVAL),
        ("10.0.0.0/8", 3, -errno.EINVAL),
        ("10.0.0.0/8", 4, -errno.EINVAL),
        ("10.0.0.0/8", 1 << 63, -errno.EINVAL),
    ],
)
def test_flags_of_an_update(text: str, flags: int, want: int) -> None:
    for asked in (MapStore.update, MapStore.sys_update):
        store = made()
        fill(store, "10.0.0.0/8", "11.0.0.0/8")
        assert getattr(store, asked.__name__)(key(text), b"new!", flags) == want
        assert (store.sys_lookup(key(text)) == b"new!") is (want == 0)


def test_a_full_trie_takes_known_prefixes_only() -> None:
    store = made(MapSpec("m", "lpm_trie", 8, 4, 3, NO_PREALLOC))
    fill(store, "10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8")
    assert store.sys_update(key("13.0.0.0/8"), bytes(4)) == -errno.ENOSPC
    assert store.sys_update(key("10.0.0.0/7"), bytes(4)) == -errno.ENOSPC  # an inner node stands there
    assert store.sys_update(key("13.0.0.0/8"), bytes(4), 2) == -errno.ENOENT
    assert store.sys_update(key("12.1.1.1/8"), b"more") == 0
    assert keys(store) == ["10.0.0.0/8", "11.0.0.0/8", "12.1.1.1/8"]
    assert store.sys_delete(key("11.0.0.0/8")) == 0
    assert store.sys_update(key("13.0.0.0/8"), bytes(4)) == 0


def test_keys_come_in_post_order() -> None:
    store = made()
    fill(store, "0.0.0.0/0", "10.0.0.0/8", "10.128.0.0/9", "10.0.0.0/9", "192.0.0.0/8")
    assert keys(store) == ["10.0.0.0/9", "10.128.0.0/9", "10.0.0.0/8", "192.0.0.0/8", "0.0.0.0/0"]
    assert store.next_key(key("10.0.0.0/10")) == key("10.0.0.0/9")  # of an unknown one, the first
    assert store.next_key(key("10.0.0.0/40")) == key("10.0.0.0/9")
    assert store.next_key(key("10.77.0.0/8")) == key("192.0.0.0/8")  # bits behind the prefix do not count
    assert store.next_key(key("0.0.0.0/0")) == -errno.ENOENT
    assert made().next_key(None) == -errno.ENOENT


def test_deleting() -> None:
    store = made()
    fill(store, "10.0.0.0/8", "10.128.0.0/9", "10.0.0.0/9")
    assert store.sys_delete(key("10.0.0.0/10")) == -errno.ENOENT
    assert store.sys_delete(key("10.0.0.0/33")) == -errno.EINVAL
    assert store.sys_delete(key("10.0.0.0/8")) == 0
    assert store.sys_delete(key("10.0.0.0/8")) == -errno.ENOENT  # an inner node now
    assert store.sys_lookup(key("10.0.0.0/8")) == -errno.ENOENT
    assert keys(store) == ["10.0.0.0/9", "10.128.0.0/9"]
    assert store.sys_delete(key("10.128.0.0/9")) == 0
    assert keys(store) == ["10.0.0.0/9"]
    assert store.sys_lookup_and_delete(key("10.0.0.0/9")) == -524


def test_an_old_value_stays_readable_for_a_while() -> None:
    system = system_of(SPEC)
    store = system.maps["m"]
    fill(store, "10.0.0.0/8")
    old = store.lookup(key("10.0.0.0/8"))
    for _ in range(QUARANTINE):
        assert store.update(key("10.0.0.0/8"), b"next", 0) == 0
        assert system.arena.read(old, 4) == b"\1\1\1\1"
    pointer = store.element(old + 1)
    assert (pointer.region.base, pointer.region.size, pointer.offset) == (old, 4, 1)


def test_memory_is_used_again() -> None:
    store = made(MapSpec("m", "lpm_trie", 8, 4, 1, NO_PREALLOC))
    seen = set()
    for number in range(20 * QUARANTINE):
        assert store.update(key("10.0.0.0/8"), number.to_bytes(4, "little"), 0) == 0
        seen.add(store.lookup(key("10.0.0.0/8")))
        assert store.sys_lookup(key("10.0.0.0/8")) == number.to_bytes(4, "little")
    assert len(seen) == QUARANTINE + 2


PREFIXES = st.tuples(st.integers(0, 16), st.integers(0, 0xFFFF).map(lambda bits: bits & 0xE00F))


@given(st.lists(st.tuples(st.booleans(), PREFIXES), max_size=60), st.lists(PREFIXES, max_size=20))
def test_as_a_table_of_prefixes(done: list[tuple[bool, tuple[int, int]]], asked: list[tuple[int, int]]) -> None:
    """Against every prefix tried in turn, before and after the arena was restored."""
    system = system_of(MapSpec("m", "lpm_trie", 6, 2, 8, NO_PREALLOC))
    store = system.maps["m"]
    model: dict[tuple[int, int], bytes] = {}
    for number, (stores, (length, bits)) in enumerate(done):
        place, name = (length, bits >> (16 - length)), length.to_bytes(4, "little") + bits.to_bytes(2, "big")
        value = number.to_bytes(2, "big")
        if stores:
            room = place in model or len(model) < 8
            assert store.sys_update(name, value) == (0 if room else -errno.ENOSPC)
            if room:
                model[place] = value
        else:
            assert store.sys_delete(name) == (0 if model.pop(place, None) else -errno.ENOENT)
    kept = system.snapshot()
    for turn in range(2):
        assert len(store.entries()) == len(model)
        for length, bits in asked:
            fitting = (model.get((short, bits >> (16 - short))) for short in range(length, -1, -1))
            wanted = next((value for value in fitting if value is not None), -errno.ENOENT)
            assert store.sys_lookup(length.to_bytes(4, "little") + bits.to_bytes(2, "big")) == wanted
        if not turn:
            store.sys_update(bytes(6), b"xx")
            store.sys_delete(b"\3" + bytes(5))
            system.restore(kept)


@pytest.mark.parametrize(
    ("key_size", "flags"), [(4, NO_PREALLOC), (261, NO_PREALLOC), (8, 0), (8, flag_bits("zero_seed"))]
)
def test_declarations_that_no_kernel_takes(key_size: int, flags: int) -> None:
    with pytest.raises(LoadError, match="lpm_trie"):
        made(MapSpec("m", "lpm_trie", key_size, 4, 6, flags))
