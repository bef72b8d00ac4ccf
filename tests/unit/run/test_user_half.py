# mypy: disable-error-code="type-arg, misc, valid-type, arg-type, call-arg, index"
"""Declared maps in users' hands: as dicts and as events, over an emulator that a capture feeds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bpfvm import (
    Array,
    Counter,
    Hash,
    Histogram,
    Histograms,
    PerfEvents,
    Queue,
    Ring,
    UsageError,
    be16,
    bpf,
    char,
    pkt,
    struct,
    u32,
    u64,
)
from bpfvm.lang import userspace
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.run.replay import Replay
from bpfvm.testing.frames import ethernet, ipv4, tcp, udp

SECOND = 10**9
ENGINES = ("cpython", "portable", "interp")


@struct
class Seen:
    """A packet's event."""

    port: be16
    number: u64
    name: char[4]


@struct
class State:
    """What all packets share."""

    total: u64
    last: u32


hits = Array(u64, 256)
ports = Counter(u32)
flows = Hash(u32, Seen)
cpus = Hash(u32, u64, percpu=True, default=0)
waiting = Queue(u32, 8)
sizes = Histogram(slots=12)
by_port = Histograms(u32, slots=12)
by_name = Histograms(char[4], step=10)
seen = Ring(Seen)
old = PerfEvents(Seen)
state = bpf.data(State)


@bpf.socket("lo")
def watch(skb: Any) -> None:
    hits[pkt.ip.proto] += 1
    if not pkt.ip.is_udp:
        return
    sizes.add(len(pkt))
    by_port.add(pkt.ip.udp.dport, len(pkt))
    by_name.add(b"udp", len(pkt))
    port = pkt.ip.udp.dport
    ports[port] += 1
    cpus[port] += 1
    state.total += 1
    state.last = port
    seen.submit(Seen(port=port, number=hits[17], name=b"udp"))
    old.submit(Seen(port=port, number=hits[17], name=b"udp"))
    flows[port] = Seen(port=port, number=state.total)
    waiting.push(port)


@contextmanager
def replay(folder: Path, engine: str = "portable") -> Iterator[None]:
    """Five datagrams, one a second, and a packet of TCP."""
    frames = [ethernet(ipv4(udp(dport=port))) for port in (53, 53, 80, 53, 9000)]
    write_capture(
        str(folder / "a.pcap"),
        [(SECOND * at, bytes(one)) for at, one in enumerate([*frames, ethernet(ipv4(tcp(dport=5)))])],
    )
    with open_capture(folder / "a.pcap") as capture, userspace.instead(Replay(capture, engine)):
        yield


@pytest.mark.parametrize("engine", ENGINES)
def test_maps_are_dicts(tmp_path: Path, engine: str) -> None:
    with replay(tmp_path, engine), bpf.attach(watch) as on:
        assert (hits[17], hits[6], on.maps["hits"][17]) == (1, 0, 1), "the first packet is there at once"
        bpf.wait(3)
        assert (hits[17], state.total, state.last) == (4, 4, 53)
        assert ports.most_common() == [(53, 3), (80, 1)]
        assert ports.most_common(1) == [(53, 3)]
        assert (ports[53], ports[1], ports.get(1), 53 in ports, 1 in ports) == (3, 0, None, True, False)
        assert (len(ports), len(hits), ports.total(), dict(ports.items())) == (2, 256, 4, {53: 3, 80: 1})
        assert sorted(ports) == sorted(ports.keys()) == [53, 80]
        assert sum(sizes.values()) == 4
        assert (cpus[53], cpus[7]) == ([3], [0])
        assert (flows[53].number, flows[53].port) == (4, 53)
        assert (waiting.pop(), waiting.peek()) == (53, 53)
        ports[7] = 9
        ports[7] += 2
        flows[53].number = 40
        assert (ports.pop(7), ports.pop(7, None), flows[53].number) == (11, None, 40)
        with pytest.raises(KeyError):
            del ports[7]
        state.total = 100
        bpf.wait(1)
        assert state.total == 101
        flows.clear()
        assert list(flows.items()) == []
    assert (hits[17], state.total, ports.most_common(1)) == (5, 101, [(53, 3)]), "the last contents stay"
    with pytest.raises(UsageError, match="its last contents can only be read"):
        ports[1] = 1


BY_PORT = """\
port = 53
         bytes           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 0        |                                        |
         8 -> 15         : 0        |                                        |
        16 -> 31         : 0        |                                        |
        32 -> 63         : 3        |****************************************|

port = 80
         bytes           : count     distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 0        |                                        |
         8 -> 15         : 0        |                                        |
        16 -> 31         : 0        |                                        |
        32 -> 63         : 1        |****************************************|
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_histograms_by_key(tmp_path: Path, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    with replay(tmp_path, engine), bpf.attach(watch):
        assert by_port.histograms() == {53: [0] * 5 + [1] + [0] * 6}
        bpf.wait(3)
        assert (by_port.counts(53)[5], by_port.counts(80)[5], by_port.counts(7)) == (3, 1, [0] * 12)
        assert list(by_port.histograms()) == [53, 80], "what counted most stands first"
        by_port.print("bytes", "port")
        assert by_name.text("bytes", "kind").splitlines()[0] == "kind = udp"
        assert by_name.text("bytes", shown=len).splitlines()[0] == "key = 3"
        assert by_name.text("bytes").splitlines()[2].split()[:3] == ["40", "->", "49"]
        by_port.clear()
        by_port.print()
    assert capsys.readouterr().out == f"{BY_PORT}by_port: nothing was counted\n"


def test_events_are_iterated(tmp_path: Path) -> None:
    with replay(tmp_path), watch.attach():
        found = [(one.port, one.number, str(one.name)) for one in seen]
        assert found == [(53, 1, "udp"), (53, 2, "udp"), (80, 3, "udp"), (53, 4, "udp"), (9000, 5, "udp")]
        assert [one.port for one in old.read()] == [53, 53, 80, 53, 9000]
        assert (seen.lost, old.lost, list(seen)) == (0, 0, [])


def test_a_loop_that_is_broken_off_leaves_the_rest(tmp_path: Path) -> None:
    with replay(tmp_path), watch.attach():
        bpf.wait(4)
        found = [one.number for one in islice(seen, 2)]
        assert found + [one.number for one in seen] == [1, 2, 3, 4, 5]
        assert [one.number for one in islice(old, 2)] == [1, 2]
    assert [one.number for one in old] == [3, 4, 5], "what is left when it is closed"


def test_events_that_nobody_read_stay(tmp_path: Path) -> None:
    with replay(tmp_path), watch.attach():
        bpf.wait(1)
    assert [one.number for one in seen] == [1, 2]


def test_events_in_asyncio(tmp_path: Path) -> None:
    async def gathered() -> list[int]:
        return [one.port async for one in seen]

    with replay(tmp_path), watch.attach():
        assert asyncio.run(gathered()) == [53, 53, 80, 53, 9000]


@pytest.fixture
def terminal() -> Iterator[None]:
    """Signals as at a terminal: what a shell runs in the background is told to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_waits(tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)
    with replay(tmp_path), watch.attach():
        found = []
        for one in seen:
            found.append(one.port)
            if len(found) == 2:
                os.kill(os.getpid(), number)
        assert found[:2] == [53, 53]
        assert len(found) < 5
        assert signal.getsignal(number) == before
    assert hits[17] >= 2


def test_a_map_that_no_attached_program_uses(tmp_path: Path) -> None:
    """An option may take out the place that uses it."""
    unused, counted = Ring(Seen, name="unused"), Array(u64, 4, name="counted")
    words = "is used by none of the programs that are attached"
    with replay(tmp_path), watch.attach():
        with pytest.raises(UsageError, match=f"map unused {words}"):
            next(iter(unused))
        with pytest.raises(UsageError, match=f"map counted {words}"):
            counted[0] = 1


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_says_whether_a_signal_ended_it(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that waits again and again ends by it."""
    pause = Replay.pause

    def signalled(space: Replay, seconds: float, fds: Sequence[int] = ()) -> bool:
        os.kill(os.getpid(), number)
        return pause(space, seconds, fds)

    with replay(tmp_path), watch.attach():
        assert bpf.wait(0.001) is True
        with monkeypatch.context() as during:
            during.setattr(Replay, "pause", signalled)
            assert bpf.wait(1) is False
        assert bpf.wait(1) is True


def test_events_as_arrays(tmp_path: Path) -> None:
    with replay(tmp_path), watch.attach():
        found = [port for block in seen.blocks() for port in block["port"].tolist()]
        assert found == [53, 53, 80, 53, 9000]
    assert list(seen.blocks()) == []


def test_a_copy_stays_what_it_was(tmp_path: Path) -> None:
    with replay(tmp_path), watch.attach():
        first = next(iter(seen))
        keys = {first: 1}
        bpf.wait(2)
        assert keys[first] == 1
        assert (first.port, repr(first)) == (53, "Seen(port=53, number=1, name=b'udp')")
        with pytest.raises(TypeError, match="field port of a copy is not stored to"):
            first.port = 1


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    unused = Hash(u32, u32, name="unused")
    for wrong in (lambda: unused[1], lambda: list(unused.items()), lambda: len(unused)):
        with pytest.raises(UsageError, match="map unused has a meaning only while"):
            wrong()
    with pytest.raises(UsageError, match=r"bpf.wait\(\) waits while something is attached"):
        bpf.wait(1)
    with replay(tmp_path), watch.attach():
        with pytest.raises(UsageError, match=r"bpf.wait\(-1\): it is a number of seconds"):
            bpf.wait(-1)
        with pytest.raises(UsageError, match=r"bpf.wait\('5'\): it is a number of seconds"):
            bpf.wait("5")
        with pytest.raises(UsageError, match="a capture is for one program at a time"):
            watch.attach()
    with pytest.raises(UsageError, match="takes programs"):
        bpf.attach(len)
