"""Rings that user space writes: from the start, by a session, beside attached programs; what is no message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpfvm import UsageError, UserRing, bpf, pkt, session
from bpfvm.core.machine import Entries
from bpfvm.lang import userspace
from bpfvm.lang.faults import MapError
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.contents import decode_entries, encode_entries, from_json, to_json
from bpfvm.run.replay import Replay
from bpfvm.testing.frames import ethernet, ipv4, udp
from tests.contract.user_ring import Job, sums, taken

ENGINES = ("cpython", "interp", "portable")
FRAME = bytes(ethernet(ipv4(udp(dport=53))))


jobs = UserRing(Job, 4096)


@bpf.xdp
def drains(ctx: Any) -> int:
    return jobs.drain(taken) if len(pkt) else 0


def test_messages_given_as_contents() -> None:
    found = drains.check(FRAME, maps={"jobs": [Job(id=1, size=2), Job(id=5), bytes(9)]})
    assert (found.value, found.maps["sums"]) == (3, {0: 6, 1: 2, 2: 0})
    assert found.maps["jobs"] == {}
    assert drains.check(FRAME, maps={"sums": [1, 2]}).maps["sums"] == {0: 1, 1: 2, 2: 0}
    words = r"map sums: its contents are \{key: value\} or pairs of them, or a list by index, not str"
    with pytest.raises(UsageError, match=words):
        drains.emulate(FRAME, maps={"sums": "12"})
    for wrong in (5, "text"):
        with pytest.raises(UsageError, match=f"map jobs: a message is bytes or a struct, not {type(wrong).__name__}"):
            drains.emulate(FRAME, maps={"jobs": [wrong]})


def test_contents_are_shown_by_number_and_taken_so() -> None:
    spec = MapSpec("m", "user_ringbuf", 0, 0, 4096)
    messages: Entries = [(b"", b"abc"), (b"", b""), (b"", b"d")]
    shown = decode_entries(spec, None, messages, "little")
    assert shown == {0: b"abc", 1: b"", 2: b"d"}
    assert encode_entries(spec, None, shown, "little") == messages
    document = [{"key": to_json(at), "value": to_json(one)} for at, one in shown.items()]
    assert encode_entries(spec, None, from_json(document), "little") == messages


@pytest.mark.parametrize("engine", ENGINES)
def test_messages_of_a_session(engine: str) -> None:
    with session(drains, engine) as runs:
        assert runs.run(FRAME).value == 0
        for number in range(3):
            runs.map("jobs").push(Job(id=number, size=1))
        assert runs.run(FRAME).value == 3
        assert (runs.map("sums")[0], runs.run(FRAME).value) == (3, 0)
        with pytest.raises(UsageError, match="map jobs: a message is bytes or a struct, not int"):
            runs.map("jobs").push(5)
        for _ in range(4096 // 16):
            runs.map("jobs").push(bytes(8))
        with pytest.raises(UsageError, match="map jobs: no room for this message; run a program"):
            runs.map("jobs").push(b"")
        assert runs.run(FRAME).value == 256


def test_messages_while_attached(tmp_path: Path) -> None:
    write_capture(str(tmp_path / "a.pcap"), [(10**9 * at, FRAME) for at in range(3)])
    with open_capture(tmp_path / "a.pcap") as capture, userspace.instead(Replay(capture, "portable")):
        with bpf.attach(drains):
            bpf.wait(0.5)
            jobs.submit(Job(id=7, size=1))
            jobs.submit(b"\1" + bytes(7))
            bpf.wait(1)
            assert (sums[0], sums[1]) == (8, 1)
            for _ in range(256):
                jobs.submit(Job())
            with pytest.raises(MapError, match="jobs has no room for this message"):
                jobs.submit(Job())
            with pytest.raises(TypeError, match="Job"):
                jobs.submit("text")
        with pytest.raises(UsageError, match="its last contents can only be read"):
            jobs.submit(Job())


def test_declarations_that_cannot_be() -> None:
    for size in (0, 5000, 2048, "x"):
        with pytest.raises(UsageError, match="UserRing: a ring has a power of two of bytes, from 4096 on"):
            UserRing(Job, size)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="UserRing: contents: 300 messages find no room in 4096 bytes"):
        UserRing(Job, 4096, contents=[Job()] * 300)
    with pytest.raises(UsageError, match="UserRing: contents: a message is bytes, an array or a struct, not int"):
        UserRing(None, 4096, contents=[5])
    with pytest.raises(UsageError, match="has a meaning only while a program runs"):
        jobs.drain(taken)
