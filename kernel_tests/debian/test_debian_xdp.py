"""Debian's XDP programs over real captures: the emulator's tiers against BPF_PROG_TEST_RUN, packet by packet.

The filters get ports and addresses of the captures themselves, so that packets get past the first branch. Programs run
on CPU 0 everywhere: what per-CPU maps hold is compared CPU by CPU.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator import Emulator
from bpfvm.kernel import KERNEL
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.run.backend import Loaded
from kernel_tests.debian import packages as debian

FOLDER = os.environ.get("BPFVM_CAPTURES", "")
NAMES = ("xdpfilt_", "xsk_def_", "xdp-dispatcher")
CPUS = os.sysconf("SC_NPROCESSORS_CONF")
SOURCE, TARGET, TCP, UDP = 1, 2, 4, 8  # what a filter's value asks for, in its lowest bits (xdp-filter's manual)
LARGE = 1000  # elements from which on a map is read at the end only
ETHERNET_TYPES = (b"\x08\x00", b"\x86\xdd")

pytestmark = pytest.mark.skipif(not FOLDER, reason="BPFVM_CAPTURES names no folder of captures")


@pytest.fixture(scope="module", autouse=True)
def on_one_cpu() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def packets() -> list[bytes]:
    found = []
    for path in sorted(Path(FOLDER).iterdir()):
        try:
            with open_capture(path) as capture:
                found += [bytes(packet) for _, packet, _ in capture if capture.link == 1]
        except LoadError:
            continue
    return found


def objects() -> list[debian.DebianObject]:
    try:
        return [one for one in debian.objects() if one.path.name.startswith(NAMES)]
    except debian.Unavailable as reason:
        pytest.skip(f"without Debian's objects: {reason}")


def contents(spec: ObjectSpec, packets: list[bytes]) -> dict[str, Entries]:
    """Filters on every third address and port that the captures have, in each direction and both."""
    wanted: dict[str, list[bytes]] = {"filter_ethernet": [], "filter_ipv4": [], "filter_ipv6": [], "filter_ports": []}
    for packet in packets:
        kind, data = packet[12:14], packet[14:]
        wanted["filter_ethernet"] += [packet[:6], packet[6:12]]
        if kind == ETHERNET_TYPES[0] and len(data) >= 24:
            wanted["filter_ipv4"] += [data[12:16], data[16:20]]
            start = 4 * (data[0] & 15)
            if data[9] in (6, 17):
                wanted["filter_ports"] += [data[start : start + 2] + bytes(2), data[start + 2 : start + 4] + bytes(2)]
        if kind == ETHERNET_TYPES[1] and len(data) >= 40:
            wanted["filter_ipv6"] += [data[8:24], data[24:40]]
    values = (SOURCE, TARGET, SOURCE | TARGET)
    found: dict[str, Entries] = {}
    for name, keys in wanted.items():
        if name not in spec.maps:
            continue
        size = spec.maps[name].key_size
        chosen = [key for key in dict.fromkeys(keys) if len(key) == size][::3]
        more = TCP | UDP if name == "filter_ports" else 0
        found[name] = [
            (key, [(values[number % 3] | more).to_bytes(8, "little")] * CPUS) for number, key in enumerate(chosen)
        ]
    return found


def ended(result: Result) -> tuple[object, ...]:
    """What is compared of a run: a verdict is 32 bits."""
    return result.r0 & M32, result.packet, result.fault


def differing_maps(machines: dict[str, Loaded], names: list[str]) -> list[str]:
    return [
        f"map {name} on {engine}"
        for name in names
        for engine, one in machines.items()
        if one.read_map(name) != machines["kernel"].read_map(name)
    ]


def test_programs_give_what_the_kernel_gives(packets: list[bytes]) -> None:
    counts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for shipped in objects():
        spec = read_object(shipped.path)
        for program in spec.programs:
            compare(spec, program, packets, counts, why, shipped.name)
    print(dict(counts), dict(why))
    assert counts["programs"] >= 13
    assert counts["packets"] >= 13 * 1000
    assert counts["compared"] >= counts["packets"] * 9 // 10
    assert counts["past the first branch"] >= counts["compared"] // 4


def compare(
    spec: ObjectSpec, program: str, packets: list[bytes], counts: Counter[str], why: Counter[str], name: str
) -> None:
    given = contents(spec, packets)
    engines = (Emulator("interp", cpus=CPUS), Emulator("portable", cpus=CPUS), KERNEL)
    machines: dict[str, Loaded] = {one.name: one.load(spec, program, given) for one in engines}
    names = [one for one in spec.maps_of(program) if spec.maps[one].type != "xskmap"]
    small = [one for one in names if spec.maps[one].max_entries < LARGE]
    shortest = min(machines["interp"].run(Input(packet=bytes(size))).insns for size in (14, 60))
    verdicts: Counter[int] = Counter()
    for one in machines.values():
        one.close()
    machines = {one.name: one.load(spec, program, given) for one in engines}
    counts["programs"] += 1
    for number, packet in enumerate(packets):
        counts["packets"] += 1
        try:
            want = machines["kernel"].run(Input(packet=packet))
        except Unavailable as reason:
            why[str(reason)[-60:]] += 1
            continue
        counts["compared"] += 1
        verdicts[want.r0] += 1
        results = {engine: machines[engine].run(Input(packet=packet)) for engine in ("interp", "portable")}
        for engine, result in results.items():
            assert ended(result) == ended(want), f"{name} {program}, packet {number} on {engine}"
        counts["past the first branch"] += results["interp"].insns > shortest
        assert not differing_maps(machines, small), f"{name}, packet {number}"
    assert not differing_maps(machines, names), name
    counts["maps"] += len(names)
    print(f"{name} {program}: verdicts {dict(verdicts)}")
    for one in machines.values():
        one.close()
