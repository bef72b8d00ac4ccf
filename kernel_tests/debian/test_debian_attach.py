"""Debian's xdp-filter objects on a wire of our own, loaded and attached by bpfvm alone: drops and counters are right.

An object's name tells what matches (all, eth, ip, tcp, udp), and whether a match is dropped (alw) or let pass (dny). A
filter's value asks for source 1, target 2, TCP 4, UDP 8 in its lowest six bits; matches are counted above them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.kernel.attach import Link
from bpfvm.kernel.objects.install import Installed, install
from bpfvm.obj.reader.object import read_object
from kernel_tests.debian import packages as debian
from kernel_tests.networks import inside, pair, send

SOURCE, TARGET, UDP, SHIFT = 1, 2, 8, 6
DROP, PASS = 1, 2
MATCHING, OTHERS = 5, 7  # datagrams
FRAME = 52  # bytes of a datagram of 10 on the wire
PORT, LEFT_ADDRESS, LEFT_MAC = 9001, bytes((10, 1, 1, 1)), bytes((2, 0, 0, 0, 0, 1))


NAMES = [f"xdpfilt_{policy}_{mode}" for policy in ("alw", "dny") for mode in ("all", "eth", "ip", "tcp", "udp")]


@pytest.fixture(scope="module")
def objects() -> dict[str, Path]:
    """The objects by name, fetched when they are first asked for."""
    try:
        found = {one.path.stem: one.path for one in debian.objects() if one.path.name.startswith("xdpfilt_")}
    except debian.Unavailable as reason:
        pytest.skip(str(reason))
    assert sorted(found) == sorted(NAMES)
    return found


@pytest.fixture(scope="module")
def wire() -> Iterator[tuple[str, str]]:
    with pair() as made:
        yield made


def _filter(installed: Installed, mode: str) -> str:
    """Set a filter that port PORT, or all that left sends, meets: the map's name."""
    maps = installed.maps
    name, key, flags = {
        "eth": ("filter_ethernet", LEFT_MAC, SOURCE),
        "ip": ("filter_ipv4", LEFT_ADDRESS, SOURCE),
    }.get(mode, ("filter_ports", socket.htons(PORT).to_bytes(4, "little"), TARGET | UDP))
    table = maps[name]
    count = len(next(iter(maps["xdp_stats_map"].items()))[1])
    table[key if name == "filter_ethernet" else int.from_bytes(key, "little")] = [flags] * count
    return name


@pytest.mark.parametrize("which", NAMES)
def test_filters(which: str, objects: dict[str, Path], wire: tuple[str, str]) -> None:
    (left, right), path = wire, objects[which]
    _, policy, mode = path.stem.split("_")
    spec = read_object(path)
    with install(spec, pin=False) as installed:
        name = _filter(installed, mode)

        def attach() -> Link:
            return installed.programs[path.stem].attach("right")

        with inside(right, attach):
            send(left, MATCHING, port=PORT)
            send(left, OTHERS, port=PORT - 1)
        matched = {"eth": MATCHING + OTHERS, "ip": MATCHING + OTHERS, "tcp": 0}.get(mode, MATCHING)
        dropped = matched if policy == "alw" else MATCHING + OTHERS - matched
        found = dict(installed.maps["xdp_stats_map"].items())
        counts = {action: sum(one.packets for one in cpus) for action, cpus in found.items()}
        sizes = {action: sum(one.bytes for one in cpus) for action, cpus in found.items()}
        assert counts == {0: 0, DROP: dropped, PASS: MATCHING + OTHERS - dropped, 3: 0, 4: 0}
        assert sizes[DROP] == dropped * FRAME
        values = [value for _, cpus in installed.maps[name].items() for value in cpus]
        assert sum(one >> SHIFT for one in values) == matched
        before = sum(one.packets for cpus in found.values() for one in cpus)
        send(left, 3, port=PORT)
        after = sum(one.packets for _, cpus in installed.maps["xdp_stats_map"].items() for one in cpus)
        assert before == after, "nothing is attached any more"
    print(f"{path.stem}: {dropped} of {MATCHING + OTHERS} dropped, {matched} matched")
