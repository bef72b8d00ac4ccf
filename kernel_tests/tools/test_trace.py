"""`bpfvm trace` in the kernel: the packet counter on the loopback of an own namespace; tools on functions of own
processes; objects; all that is wrong in one line. test_trace_killed.py: nothing stays attached, however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bpfvm import bpf, pkt
from kernel_tests.networks import inside, loopback

ROOT = Path(__file__).resolve().parents[2]
AROUND = {**os.environ, "PYTHONPATH": str(ROOT)}
TRACE = (sys.executable, "-m", "bpfvm", "trace")
hits = bpf.map("array", 256)


def send(count: int) -> None:
    """Datagrams over the loopback, which each socket of packets sees twice: going out and coming in."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        there.bind(("127.0.0.1", 0))
        for _ in range(count):
            one.sendto(b"x", there.getsockname())


def test_the_packet_counter_on_the_loopback() -> None:
    with loopback() as name:
        command = ("ip", "netns", "exec", name, *TRACE, "--verbose", "examples/sock_proto.py")
        with subprocess.Popen(
            command, cwd=ROOT, env=AROUND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as tool:
            try:
                assert tool.stdout is not None
                assert tool.stdout.readline() == "TCP 0 UDP 0 ICMP 0 packets\n"
                inside(name, lambda: send(21))
                assert tool.stdout.readline() == "TCP 0 UDP 42 ICMP 0 packets\n"
                tool.send_signal(signal.SIGTERM)
                rest, told = tool.communicate(timeout=20)
            finally:
                tool.kill()
        assert tool.returncode == 0
        assert rest == ""
        assert told == "bpfvm: proto is attached: packet socket of lo\nbpfvm: proto is detached\n"


def _counted(skb: Any) -> None:
    hits.add(pkt.ip.proto, 1)


TEXT = 'seen = bpf.map("array", 4)\ndef counted(skb):\n    seen[1] += 1\n'


def test_each_call_form_counts() -> None:
    """A lambda, a function, a program, a text: attached by the original's call, with plain numbers to read."""
    with loopback() as name:
        for form in (lambda skb: hits.add(pkt.ip.proto, 1), _counted, bpf(_counted), bpf.socket(_counted)):
            with inside(name, lambda form=form: bpf.socket("lo", form)):  # type: ignore[misc]
                inside(name, lambda: send(3))
                assert hits[17] == 6
                assert repr(hits[17]) == "6"
            assert (hits[17], type(hits[17])) == (6, int)
        with inside(name, lambda: bpf.socket("lo", bpf(TEXT))) as on:
            inside(name, lambda: send(2))
            assert on.maps["seen"][1] == 4


def test_the_call_form_of_a_probe() -> None:
    with bpf.uprobe("c:getpgid", lambda: hits.add(1, 1), False, os.getpid(), 0):
        for _ in range(4):
            os.getpgid(0)
        assert hits[1] == 4
    with bpf.uprobe("c:getpgid", lambda: hits.add(2, 1), True, os.getpid(), -1):
        os.getpgid(0)
        assert hits[2] == 1


PROBE = """
import os, sys
from bpfvm import Counter, Ring, StackTrace, UserPtr, bpf, char, pid, struct, u32, u64

TARGET = int(sys.argv[1])

@struct
class Event:
    pid: u32
    which: u32

events = Ring(Event)
asked = Counter(u32)

@bpf.uprobe("c:getpgid")
def called(which: u32):
    if pid() == TARGET:
        asked[which] += 1
        events.submit(Event(pid=pid(), which=which))

if __name__ == "__main__":
    with bpf.attach(called):
        print("attached", flush=True)
        for one in events:
            print(one.pid, one.which, flush=True)
    print("counted", asked.most_common())
"""


@pytest.fixture
def probe(tmp_path: Path) -> str:
    path = tmp_path / "probe.py"
    path.write_text(PROBE)
    return str(path)


def ran(*words: str) -> tuple[str, str, int]:
    """Standard output, standard error, status."""
    done = subprocess.run([*TRACE, *words], cwd=ROOT, env=AROUND, capture_output=True, text=True, check=False)
    return done.stdout, done.stderr, done.returncode


def test_a_tool_shows_events_and_ends_by_a_signal(probe: str) -> None:
    with subprocess.Popen(
        [*TRACE, probe, str(os.getpid())], cwd=ROOT, env=AROUND, stdout=subprocess.PIPE, text=True
    ) as tool:
        assert tool.stdout is not None
        assert tool.stdout.readline() == "attached\n"
        os.getpgid(0)
        os.getpgid(os.getpid())
        assert [tool.stdout.readline() for _ in range(2)] == [f"{os.getpid()} {one}\n" for one in (0, os.getpid())]
        tool.send_signal(signal.SIGINT)
        rest = tool.communicate(timeout=20)[0]
        counts = sorted([(0, 1), (os.getpid(), 1)])
        assert rest in (f"counted {counts}\n", f"counted {counts[::-1]}\n")
        assert tool.returncode == 0


def test_json_after_a_duration(probe: str) -> None:
    command = [*TRACE, "--json", "--duration", "1", probe, str(os.getpid())]
    with subprocess.Popen(command, cwd=ROOT, env=AROUND, stdout=subprocess.PIPE, text=True) as tool:
        while tool.poll() is None:
            os.getpgid(0)
            time.sleep(0.02)
        assert tool.stdout is not None
        *events, last = map(json.loads, tool.stdout.read().splitlines())
    assert events
    assert all(one == {"map": "events", "event": {"pid": os.getpid(), "which": 0}} for one in events)
    assert last["events"] == len(events) == last["maps"]["asked"][0]["value"]
    assert last["lost"] == {"events": 0}


def test_an_object_is_attached_by_its_sections(tmp_path: Path) -> None:
    source = tmp_path / "half.py"
    source.write_text(PROBE.replace("int(sys.argv[1])", str(os.getpid())))
    compiled = tmp_path / "half.o"
    made = [sys.executable, "-m", "bpfvm", "compile", str(source), "-o", str(compiled)]
    subprocess.run(made, cwd=ROOT, env=AROUND, check=True, capture_output=True)
    with subprocess.Popen([*TRACE, "--duration", "1", "--object", str(compiled)], cwd=ROOT, env=AROUND,
                          stdout=subprocess.PIPE, text=True) as tool:  # fmt: skip
        while tool.poll() is None:
            os.getpgid(0)
            time.sleep(0.02)
        assert tool.stdout is not None
        shown = tool.stdout.read()
    assert tool.returncode == 0
    count = len(
        re.findall(
            rf"^events: (?:pid={os.getpid()} which=0|{os.getpid().to_bytes(4, 'little').hex()}0{{8}})$", shown, re.M
        )
    )
    assert count > 5
    assert re.search(rf"^asked \(hash, .*\n +0 +{count}$", shown, re.M)
    assert "events: nobody counts lost events" in shown


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("c:no_such_function_here", "has no function no_such_function_here"),
        ("no_such_library_here:malloc", "no library and no program of this name"),
        ("/proc/self/maps:malloc", "/proc/self/maps"),
    ],
)
def test_what_cannot_be_attached_is_one_line(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "tool.py").write_text(PROBE.replace("c:getpgid", target))
    _, told, status = ran(str(tmp_path / "tool.py"), "1")
    assert said in told
    assert told.count("\n") == 1
    assert status != 0
