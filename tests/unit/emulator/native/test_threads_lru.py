"""LRU maps that several threads use at a time: nothing is lost, doubled or torn, and lists stay whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks._flows import SOURCE, counted, deleted, found, stored
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator, Loaded
from bpfvm.emulator.maps.lru_hash import LruHashed
from bpfvm.emulator.native.captures.threads import Threads, why_not
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import flag_bits
from tests.unit.emulator.maps.intact import capacity, check
from tests.unit.emulator.native import captures

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

KINDS = [(kind, flags) for kind in ("lru_hash", "lru_percpu_hash") for flags in (0, flag_bits("no_common_lru"))]
NAMED = [f"{kind}{'-own' if flags else ''}" for kind, flags in KINDS]
# A key of two words at r10 -24, and a value of two equal ones at r10 -16, both of the packet's source and its size
WIDE = "r4 = *(u32 *)(r10 -4)\n*(u32 *)(r10 -24) = r4\n*(u32 *)(r10 -20) = r4\n"
VALUE = (
    "r3 = r7\nr3 -= r6\nr4 = *(u32 *)(r10 -4)\nr4 <<= 16\nr3 ^= r4\n*(u64 *)(r10 -40) = r3\n*(u64 *)(r10 -32) = r3\n"
)


def packets(path: Path, count: int, sources: int, seed: int) -> Path:
    source = random.Random(seed)
    frames = []
    for number in range(count):
        frame = bytes(12) + b"\x08\x00\x45" + bytes(11) + source.randrange(sources).to_bytes(4, "big")
        frames.append((1000 * number, frame + source.randbytes(source.randrange(4, 40))))
    captures.capture(path, frames)
    return path


def ran(text: str, maps: dict[str, MapSpec], path: Path, cpus: int, threads: bool = True) -> Loaded:
    """The machine after all packets; close it."""
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    machine = Emulator("native", cpus=cpus, threads=threads).load(ObjectSpec({"p": program}, maps), "p", {})
    assert why_not(machine) is None
    with open_capture(path) as capture, Threads(machine, Input(packet=b""), cpus) as lanes:
        assert capture.plain is not None
        total = 0
        for one in lanes.run(capture, capture.plain, 1, None):
            assert not one.faults
            total += one.packets
    assert total
    return machine


def store_of(machine: Loaded, name: str) -> LruHashed:
    store = machine.system.maps[name]
    assert isinstance(store, LruHashed)
    return store


@pytest.mark.parametrize(("kind", "flags"), KINDS, ids=NAMED)
def test_what_is_added_up_where_nothing_is_given_up(kind: str, flags: int, tmp_path: Path) -> None:
    """All packets are counted, by their sources."""
    path = packets(tmp_path / "a.pcap", 30_000, 500, 1)
    text = SOURCE + counted("lost") + "r0 = 2\nexit\nlost: r0 = 99\nout: exit\n"
    with ran(text, {"flows": MapSpec("flows", kind, 4, 8, 8000, flags)}, path, 2) as machine:
        assert len(check(store_of(machine, "flows"))) == 500
        got = {key: sum(_words(value)) for key, value in machine.read_map("flows")}
    want: dict[bytes, int] = {}
    with open_capture(path) as capture:
        for _, frame, *_ in capture:
            source = bytes(frame[26:30])
            want[source] = want.get(source, 0) + 1
    assert got == want


def _words(value: bytes | list[bytes]) -> list[int]:
    """The numbers of a value, of each CPU."""
    each = value if isinstance(value, list) else [value]
    return [int.from_bytes(one, "little") for one in each]


def program(source: random.Random) -> str:
    """Look-ups, updates and deletions in two maps in any order, some behind a test of the packet's size."""
    text = SOURCE + WIDE + VALUE
    for number in range(source.randrange(1, 7)):
        name = source.choice("ab")
        kind = source.choice(("found", "stored", "stored", "stored", "deleted"))
        update = stored(source.choice((0, 0, 1, 2)), name)
        piece = {"found": found(name), "stored": update, "deleted": deleted(name)}[kind]
        piece = piece.replace("r2 += -4", "r2 += -24").replace("r3 += -16", "r3 += -40")
        if source.random() < 0.5:
            text += f"r3 = r7\nr3 -= r6\nif r3 & {1 << source.randrange(4)} goto over{number}\n"
        text += piece + f"over{number}: r0 = 0\n"
    return text + "r0 = 2\nout: exit\n"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "flags"), KINDS, ids=NAMED)
def test_maps_stay_whole(kind: str, flags: int, seed: int, tmp_path: Path) -> None:
    """Under eviction, too: values are whole, and their key's."""
    source = random.Random(seed)
    sizes = source.choice((1, 2, 7, 40)), source.choice((100, 700))
    maps = {name: MapSpec(name, kind, 8, 16, size, flags) for name, size in zip("ab", sizes, strict=True)}
    cpus = source.choice((2, 3, 5))
    path = packets(tmp_path / "a.pcap", 12_000, 1000, seed)
    for _ in range(3):
        with ran(program(source), maps, path, cpus) as machine:
            for name in machine.system.maps:
                spec = maps[name]
                check(store_of(machine, name))
                entries = machine.read_map(name)
                assert len(entries) <= capacity(spec, cpus)
                for key, value in entries:
                    assert key[:4] == key[4:]
                    for one in value if isinstance(value, list) else [value]:
                        assert one[:8] == one[8:]
                        assert not any(one) or one[2:6] == key[:4]
