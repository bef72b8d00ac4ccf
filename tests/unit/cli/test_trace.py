"""`bpfvm trace` without a kernel: tools over captures, as text and as JSON; what is wrong is one line."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.testing.frames import ethernet, ipv4, udp

SECOND = 10**9
TOOL = """
import sys, time
from bpfvm import Counter, Ring, bpf, char, pkt, struct, u16, u32, u64

@struct
class Seen:
    port: u16
    name: char[4]
    raw: u16[2]

events = Ring(Seen)
ports = Counter(u32)

@bpf.socket("lo")
def watch(skb):
    port = pkt.ip.udp.dport
    ports[port] += 1
    events.submit(Seen(port=port, name=b"udp"))

if __name__ == "__main__":
    with bpf.attach(watch):
        for one in events:
            print(time.strftime("%H:%M:%S"), one.port, one.name, *sys.argv[1:])
    print(ports.most_common())
"""


def trace(*words: str) -> tuple[str, str, int]:
    """Standard output, standard error, status."""
    before, path = sys.argv, list(sys.path)
    told, said = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(told), redirect_stderr(said):
            code = status(["trace", *words])
    finally:
        sys.argv, sys.path[:] = before, path
    return told.getvalue(), said.getvalue(), code


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """Two datagrams, an hour and a second after the epoch, and three seconds later."""
    frames = [(3601, 53), (3604, 80)]
    write_capture(
        str(tmp_path / "a.pcap"), [(at * SECOND, bytes(ethernet(ipv4(udp(dport=port))))) for at, port in frames]
    )
    (tmp_path / "tool.py").write_text(TOOL)
    return str(tmp_path / "a.pcap")


def test_a_tool_on_a_capture(capture: str, tmp_path: Path) -> None:
    told, said, code = trace("--packet", capture, str(tmp_path / "tool.py"), "-x", "y")
    assert (said, code) == ("", 0)
    assert told == "01:00:01 53 udp -x y\n01:00:04 80 udp -x y\n[(53, 1), (80, 1)]\n"


def test_json(capture: str, tmp_path: Path) -> None:
    told, said, code = trace("--json", "--packet", capture, str(tmp_path / "tool.py"))
    assert (said, code) == ("", 0)
    *events, last = map(json.loads, told.splitlines())
    assert events == [
        {"map": "events", "event": {"port": port, "name": "udp", "raw": [0, 0]}} for port in (53, 80)
    ]  # fmt: skip
    assert last == {
        "maps": {"ports": [{"key": 53, "value": 1}, {"key": 80, "value": 1}]}, "events": 2, "lost": {"events": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words", "said", "code"),
    [
        ("1 / 0\n", (), "tool.py:1: ZeroDivisionError: division by zero", 1),
        ("import sys\nsys.exit(3)\n", (), "", 3),
        ("import sys\nsys.exit('no device')\n", (), "no device", 1),
        ("def (\n", (), "tool.py:1: SyntaxError: invalid syntax", 1),
        ("raise KeyboardInterrupt\n", (), "", 0),
        ("from bpfvm import bpf\nbpf.wait()\n", (), "bpf.wait() waits while something is attached", 2),
        ("from bpfvm import bpf\nbpf.run()\n", (), "bpf.run() attaches the programs of the module", 2),
        ("", ("--ctx", "nothing=3"), "has no field 'nothing'", 2),
        ("", ("--engine", "wasm"), "there is no engine 'wasm'", 2),
        ("", ("--log", "/nowhere/at/all"), "--log /nowhere/at/all: No such file", 2),
        ("", ("--duration", "0"), "--duration", 2),
        ("", ("--object", "a.o"), "give one of them", 2),
        ("", ("--event", "a"), "--event is for --object", 2),
    ],
)
def test_what_is_wrong_is_one_line(
    capture: str, tmp_path: Path, text: str, words: tuple[str, ...], said: str, code: int
) -> None:
    (tmp_path / "tool.py").write_text(text)
    _, told, got = trace("--packet", capture, *words, str(tmp_path / "tool.py"))
    assert said in told
    assert got == code
    assert "Traceback" not in told


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert trace(str(tmp_path / "no.py")) == ("", f"bpfvm: {tmp_path}/no.py: no such file\n", 2)
    assert trace("--object", str(tmp_path / "no.o"))[2] == 2
    _, told, code = trace("--packet", str(tmp_path / "no.pcap"), "examples/sock_proto.py")
    assert ("no.pcap: No such file" in told, code) == (True, 2)


def test_verbose_shows_the_traceback(capture: str, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("def f():\n    return 1 / 0\nf()\n")
    _, told, code = trace("-v", "--packet", capture, str(tmp_path / "tool.py"))
    assert "in f" in told
    assert told.splitlines()[-1].endswith("tool.py:2: ZeroDivisionError: division by zero")
    assert code == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "a script defines script(timeline)"),
        ("1 / 0\n", "script.py:1: ZeroDivisionError"),
        ("def script(t):\n    t.at(0, 'nothing')\n", "script.py:2: no program is attached to 'nothing'"),
        ("def script(t):\n    1 / 0\n", "script.py:2: ZeroDivisionError"),
    ],
)
def test_scripts_that_are_wrong(tmp_path: Path, script: str, said: str) -> None:
    (tmp_path / "script.py").write_text(script)
    _, told, code = trace("--timeline", str(tmp_path / "script.py"), "examples/bashreadline.py")
    assert (said in told, code, told.count("\n")) == (True, 2, 1)


TRACER = """
from bpfvm import Counter, Ring, UserPtr, bpf, char, pid, struct, u32, u64

@struct
class Opened:
    pid: u32
    path: char[16]

@struct
class Sums:
    calls: u64

opened = Ring(Opened, 4096)
users = Counter(u32)
sums = bpf.data(Sums)

@bpf.syscall("openat")
def openat(filename: UserPtr[char]):
    sums.calls += 1
    users[pid()] += 1
    opened.submit(Opened(pid=pid(), path=filename))
"""
SCRIPT = """
from bpfvm.timeline import Task

def script(timeline):
    for at, name in enumerate(("one", "two", "three")):
        timeline.at(at * 10**9, "openat", filename=f"/{name}", by=Task(7 + at % 2))
"""


@pytest.mark.parametrize("engine", ["interp", "portable"])
def test_an_object_on_a_script(engine: str, tmp_path: Path) -> None:
    (tmp_path / "tracer.py").write_text(TRACER)
    (tmp_path / "script.py").write_text(SCRIPT)
    compiled = str(tmp_path / "tracer.o")
    with redirect_stdout(io.StringIO()):
        assert status(["compile", str(tmp_path / "tracer.py"), "-o", compiled]) == 0
    words = ("--timeline", str(tmp_path / "script.py"), "--engine", engine, "--object", compiled)
    told, said, code = trace(*words, "--json", "--event", "opened=Opened")
    assert (said, code) == ("", 0)
    *events, maps = [json.loads(line) for line in told.splitlines()]
    assert events == [
        {"map": "opened", "event": {"pid": 7 + at % 2, "path": f"/{name}"}}
        for at, name in enumerate(("one", "two", "three"))
    ]
    assert (maps["events"], maps["lost"]) == (3, {"opened": 0})
    assert sorted(maps["maps"]["users"], key=lambda one: one["key"]) == [{"key": 7, "value": 2}, {"key": 8, "value": 1}]
    told, said, code = trace(*words)
    assert (said, code) == ("", 0)
    assert told.splitlines()[0].startswith("opened: ")
    for wrong, text in (
        (("--event", "opend=Opened"), "there is no map 'opend'"),
        (("--event", "Opend"), "has no struct"),
    ):
        _, said, code = trace(*words, *wrong)
        assert code == 2
        assert text in said


def test_a_file_without_programs_says_so(tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    out, said, code = trace(str(tmp_path / "none.py"))
    assert (out, code) == ("", 0)
    assert said.startswith(
        f"bpfvm: {tmp_path}/none.py has no program and attached none: decorate a function, with @bpf"
    )
    assert trace(str(tmp_path)) == ("", f"bpfvm: {tmp_path}: a folder, not a Python file\n", 2)


def test_a_tool_that_attaches_nothing_says_so(capture: str, tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(TOOL.partition("if __name__")[0])
    _, said, code = trace("--packet", capture, str(tmp_path / "half.py"))
    assert code == 0
    assert "half.py attached none of its programs: write `with bpf.attach(watch):`" in said


POINTERS = """
from bpfvm import Hash, Ring, UserPtr, bpf, char, struct, u32

@struct
class Opened:
    where: UserPtr[char]

names = Hash(u32, UserPtr[char])
opened = Ring(Opened, 4096)

@bpf.syscall("openat")
def openat(filename: UserPtr[char]):
    names[1] = filename
    opened.submit(Opened(where=filename))
"""


def test_pointers_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "tracer.py").write_text(POINTERS)
    (tmp_path / "script.py").write_text("def script(timeline):\n    timeline.at(0, 'openat', filename=0x1000)\n")
    told, said, code = trace("--json", "--timeline", str(tmp_path / "script.py"), str(tmp_path / "tracer.py"))
    assert (said, code) == ("", 0)
    event, last = [json.loads(line) for line in told.splitlines()]
    assert event == {"map": "opened", "event": {"where": 0x1000}}
    assert last["maps"] == {"names": [{"key": 1, "value": 0x1000}]}


def test_an_object_that_no_script_is_for(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    _, said, code = trace("--timeline", str(tmp_path / "script.py"), "--object", "tests/objects/xdp_count.o")
    assert code == 2
    assert said == "bpfvm: no section of count names what it is attached to: use .attach(target) of each\n"
