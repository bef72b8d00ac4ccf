"""Maps of a session as dicts, typed by BTF, and as numpy arrays."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, Array, DataSec, Float, Int, Member, SecVar, Struct, Type, Var
from bpfvm.obj.elf.datasec import data_map
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.session import Session
from tests.engines import EMULATORS

TYPES: tuple[Type, ...] = (
    Int("unsigned int", 4, 32), Int("long", 8, 64, is_signed=True), Int("char", 1, 8, is_char=True), Array(3, 1, 6),
    Struct("flow", 24, (Member("packets", 1, 0), Member("bytes", 2, 64), Member("name", 4, 128))),
    Struct("bits", 4, (Member("low", 1, 0, 3), Member("high", 1, 3, 29))), Float("double", 8), Array(1, 1, 3),
)  # fmt: skip
U32, LONG, FLOW, BITS, ROW = 1, 2, 5, 6, 8


def session(*maps: MapSpec, cpus: int = 2) -> Session:
    text = "".join(f"r1 = map[{one.name}]\n" for one in maps) + "r0 = 2\n exit"
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    return Session(
        Emulator("portable", cpus=cpus), ObjectSpec({"p": program}, {one.name: one for one in maps}, Btf(TYPES)), "p"
    )


def spec(kind: str, value: int, size: int, entries: int = 3, **other: Any) -> MapSpec:
    return MapSpec("m", kind, 4, size, entries, key_type=U32, value_type=value, **other)


def test_a_hash_is_a_dict() -> None:
    with session(spec("hash", LONG, 8)) as opened:
        view = opened.map("m")
        view[7] = -3
        view.update({8: 4, 9: 5})
        assert dict(view) == opened.maps()["m"] == {7: -3, 8: 4, 9: 5}
        assert (len(view), 8 in view, 10 in view, view.get(10)) == (3, True, False, None)
        assert view.pop(8) == 4
        del view[9]
        with pytest.raises(KeyError):
            view[9]
        with pytest.raises(KeyError):
            del view[9]
        assert list(view.items()) == [(7, -3)]
        view.clear()
        assert not view


def test_values_are_typed() -> None:
    with session(spec("lru_hash", FLOW, 24)) as opened:
        view = opened.map("m")
        view[1] = {"packets": 2, "bytes": -9, "name": "dns"}
        assert view[1]._asdict() == {"packets": 2, "bytes": -9, "name": "dns"}
        assert view[1].packets == 2
        view[2] = view[1]._replace(bytes=4)
        view[3] = (5, 6, "tcp")
        assert [tuple(value) for key, value in sorted(view.items())] == [(2, -9, "dns"), (2, 4, "dns"), (5, 6, "tcp")]


def test_values_of_cpus_are_lists() -> None:
    for kind in ("percpu_array", "percpu_hash", "lru_percpu_hash"):
        with session(spec(kind, LONG, 8)) as opened:
            view = opened.map("m")
            view[1] = [3, -4]
            assert view[1] == [3, -4]
            assert view.sum(1) == -1
            with pytest.raises(UsageError, match="map m value: 1 values, and this map's are a list of 2, one a CPU"):
                view[1] = [3]


def test_what_a_map_does_not_do_is_said() -> None:
    def empty(view: Any) -> None:
        del view[0]

    def store(key: int, value: Any) -> Any:
        return lambda view: view.__setitem__(key, value)

    cases: tuple[tuple[MapSpec, Any, str], ...] = (
        (spec("array", LONG, 8), empty, r"map m\[0\] cannot be deleted: an array map does not do that \(EINVAL\)"),
        (spec("array", LONG, 8), store(3, 1), "room for 3 entries"),
        (spec("array", LONG, 8), store(0, 1 << 63), "from -9223372036854775808"),
        (spec("hash", LONG, 8, flags=8), store(0, 1), "forbid it"),
        (spec("hash", LONG, 8, flags=16), lambda view: view[0], "forbid it"),
        (spec("hash", LONG, 8, flags=16), len, "map m cannot be listed: its flags"),
        (spec("hash", LONG, 8), lambda view: view["x"], "not hex text of 4 bytes"),
    )
    for one, done, message in cases:
        with session(one) as opened, pytest.raises(BpfvmError, match=message):
            done(opened.map("m"))


def test_maps_that_are_not_there() -> None:
    with session(spec("hash", LONG, 8)) as opened, pytest.raises(UsageError, match="its maps are m"):
        opened.map("other")


def test_a_machine_that_shows_maps_as_a_whole() -> None:
    class Whole:
        name = "whole"

        def load(self, *given: object) -> Any:
            return type("Loaded", (), {"close": lambda self: None})()

    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble("r0 = 2\n exit")))
    whole = Session(Whole(), ObjectSpec({"p": program}, {}), "p")
    with whole as opened, pytest.raises(Unavailable, match="engine whole shows maps as a whole"):
        opened.map("m")


def test_an_array_is_a_numpy_array() -> None:
    numpy = pytest.importorskip("numpy")
    with session(spec("array", LONG, 8, 5)) as opened:
        view = opened.map("m").numpy()
        opened.map("m")[3] = -7
        assert view.tolist() == [0, 0, 0, -7, 0]
        view[4] = 12
        assert opened.map("m")[4] == 12
        assert view.dtype == numpy.dtype("<i8")


def test_structs_become_structured_types() -> None:
    pytest.importorskip("numpy")
    with session(spec("percpu_array", FLOW, 24, 4)) as opened:
        maps = opened.map("m")
        maps[2] = [{"packets": 1, "bytes": -1, "name": "a"}, {"packets": 5, "bytes": 6, "name": "b"}]
        view = maps.numpy()
        assert view.shape == (4, 2)
        assert view["packets"].sum() == 6
        assert view["name"][2].tolist() == [b"a", b"b"]
        view["bytes"][0, 1] = 99
        assert maps[0][1].bytes == 99


def test_strides_are_those_of_the_map() -> None:
    pytest.importorskip("numpy")
    with session(spec("array", ROW, 12, 4)) as opened:
        maps = opened.map("m")
        maps[1] = [1, 2, 3]
        assert maps.numpy().tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (spec("hash", LONG, 8), "values of a hash map do not lie side by side"),
        (spec("array", BITS, 4), "member low is a bit-field"),
    ],
)
def test_what_numpy_cannot_show(declared: MapSpec, message: str) -> None:
    pytest.importorskip("numpy")
    with session(declared) as opened, pytest.raises(UsageError, match=message):
        opened.map("m").numpy()


def test_numpy_is_not_imported_without_need() -> None:
    code = "import sys, bpfvm.run.mapview, bpfvm.emulator.machine; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_programs_and_views_see_the_same_map() -> None:
    text = "*(u32 *)(r10 -4) = 1\n r1 = map[m]\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto out\n"
    text += "r1 = *(u64 *)(r0 +0)\n r1 += 1\n *(u64 *)(r0 +0) = r1\n out: r0 = 2\n exit"
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    for tier in EMULATORS:
        with Session(
            Emulator(tier), ObjectSpec({"p": program}, {"m": spec("hash", LONG, 8)}, Btf(TYPES)), "p"
        ) as opened:
            opened.map("m")[1] = 41
            opened.run(Input(packet=bytes(64)))
            assert opened.map("m")[1] == 42


def test_queues_stacks_and_bloom_filters() -> None:
    with session(replace(spec("queue", LONG, 8), key_size=0, key_type=0)) as opened:
        queue = opened.map("m")
        for number in (1, 2, 3):
            queue.push(number)
        with pytest.raises(UsageError, match="room for 3 entries and is full"):
            queue.push(4)
        queue.push(4, replace=True)
        assert (queue.peek(), queue.pop(), queue.pop(), queue.pop(), queue.pop(default=0)) == (2, 2, 3, 4, 0)
        with pytest.raises(KeyError, match="map m is empty"):
            queue.pop()
        with pytest.raises(UsageError, match="has no keys; use push"):
            queue[0]
    with session(replace(spec("bloom_filter", LONG, 8), key_size=0, key_type=0)) as opened:
        bloom = opened.map("m")
        bloom.add(7)
        assert 7 in bloom
        assert sum(number in bloom for number in range(100)) < 100


def test_networks_are_keys_of_a_trie() -> None:
    trie = replace(spec("lpm_trie", LONG, 8), key_size=8, key_type=0, flags=1)
    with session(trie) as opened:
        view = opened.map("m")
        view["10.0.0.0/8"] = 1
        view[ipaddress.ip_network("10.1.0.0/16")] = 2
        view[0, "0.0.0.0"] = 3
        asked = ("10.1.2.3", "10.2.2.3", "11.0.0.1")
        assert [view[ipaddress.ip_address(one)] for one in asked] == [2, 1, 3]
        with pytest.raises(UsageError, match=r"map m key: 10\.0\.0\.1/8 has host bits set"):
            view["10.0.0.1/8"]
        with pytest.raises(UsageError, match="an address of 16 bytes, and this map's have 4"):
            view["::/0"]


def test_setdefault_pop_popitem_and_clear() -> None:
    with session(spec("hash", LONG, 8)) as opened:
        view = opened.map("m")
        assert (view.setdefault(1, 5), view.setdefault(1, 6), view[1]) == (5, 5, 5)
        assert (view.pop(1), view.pop(1, None)) == (5, None)
        view.update({1: 2, 3: 4})
        assert {view.popitem(), view.popitem()} == {(1, 2), (3, 4)}
        with pytest.raises(KeyError, match="map m is empty"):
            view.popitem()
        with pytest.raises(UsageError, match="needs a key"):
            view.pop()


def test_global_variables_have_names() -> None:
    types = Btf((*TYPES, Var("hits", LONG, GLOBAL), Var("last", FLOW, GLOBAL),
                 DataSec(".bss", 32, (SecVar(9, 0, 8), SecVar(10, 8, 24)))))  # fmt: skip
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble("r1 = map[.bss]\nr0 = 2\nexit")))
    data = data_map(".bss", bytes(32), types)
    with Session(Emulator("portable"), ObjectSpec({"p": program}, {".bss": data}, types), "p") as opened:
        view = opened.map(".bss")
        view["hits"] = -3
        view["last"] = {"packets": 7}
        assert (view["hits"], view["last"].packets, view[0].hits, view[0].last.packets) == (-3, 7, -3, 7)
        assert "hits" in view
        assert "other" not in view
        with pytest.raises(KeyError, match="no variable 'other'; it has hits, last"):
            view["other"] = 1
        with pytest.raises(UsageError, match="variable hits: 'x' is not hex text of 8 bytes; it is a signed integer"):
            view["hits"] = "x"
