# mypy: disable-error-code="type-arg, misc, valid-type, arg-type, call-arg, index"
"""Declared maps in users' hands while programs are attached: read, written, iterated, kept; shared by attachments."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bpfvm import Array, Counter, Hash, PerfEvents, Ring, StackTrace, UsageError, bpf, char, comm, pid, struct, u32, u64
from kernel_tests.readers import losses_programs

OWN = os.getpid()
ROOT = Path(__file__).resolve().parent.parent.parent


@struct
class Call:
    """One call."""

    pid: u32
    number: u64
    name: char[16]


@struct
class State:
    """What all calls share."""

    total: u64
    last: u32


calls = Array(u64, 8)
names = Counter(char[16])
cpus = Hash(u32, u64, percpu=True, default=0)
latest = Hash(u32, Call)
made = Ring(Call)
old = PerfEvents(Call)
stacks = StackTrace(64)
state = bpf.data(State)


@bpf.uprobe("c:getpgid")
def called() -> None:
    if pid() != OWN:
        return
    calls[1] += 1
    names[comm()] += 1
    cpus[3] += 1
    state.total += 1
    one = Call(pid=pid(), number=calls[1], name=comm())
    latest[1] = one
    made.submit(Call(pid=pid(), number=calls[1], name=comm()))
    old.submit(Call(pid=pid(), number=calls[1], name=comm()))
    calls[5] = u64(stacks.id(user=True))


@bpf.uprobe("c:getsid")
def also() -> None:
    if pid() == OWN:
        calls[1] += 100


def ask(count: int) -> None:
    for _ in range(count):
        os.getpgid(0)


def test_maps_while_attached_and_after() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    with called.attach() as on:
        ask(5)
        assert (calls[1], on.maps["calls"][1], state.total) == (5, 5, 5)
        assert names.most_common() == [(own, 5)]
        assert sum(cpus[3]) == 5
        assert (latest[1].pid, latest[1].number, str(latest[1].name)) == (OWN, 5, own)
        latest[1].number = 70
        assert latest[1].number == 70
        calls[6] = 3
        calls[6] += 4
        state.total = 100
        ask(1)
        assert (state.total, calls[6], dict(calls.items())[6], len(calls)) == (101, 7, 7, 8)
        assert len(list(stacks.stack(calls[5]))) > 1
        names.clear()
        assert names.most_common() == []
        ask(1)
    ask(1)
    assert (calls[1], state.total, names.most_common(), latest[1].number) == (7, 102, [(own, 1)], 7)
    with pytest.raises(UsageError, match="only be read"):
        calls[1] = 0


def test_attachments_share_declared_maps() -> None:
    with called.attach(), also.attach():
        ask(2)
        os.getsid(0)
        assert calls[1] == 102
    with called.attach():
        assert calls[1] == 0, "made anew, since nothing used it any more"
    first, second = called.attach(), also.attach()
    first.close()
    os.getsid(0)
    assert calls[1] == 100, "it lives as long as anything that uses it"
    second.close()
    assert calls[1] == 100


@pytest.mark.parametrize("events", [made, old], ids=["ring", "perf"])
def test_events_come_in_order(events: Any) -> None:
    with called.attach():
        ask(300)
        found = []
        for one in events:
            found.append(one.number)
            if len(found) == 300:
                break
        assert found == list(range(1, 301))
        ask(2)
        assert [one.number for one in events.read()] == [301, 302]
        assert events.lost in (0, None)
        ask(1)
    assert [(one.pid, one.number) for one in events] == [(OWN, 303)], "what nobody read stays, and then it ends"


@pytest.mark.parametrize("events", [made, old], ids=["ring", "perf"])
def test_a_loop_that_is_broken_off_leaves_the_rest(events: Any) -> None:
    with called.attach():
        before = calls[1]
        ask(600)
        found = [one.number - before for one in islice(events, 7)] + [
            one.number - before for one in islice(events, 300)
        ]
        found += [one.number - before for one in events.read()]
        assert found == list(range(1, 601))


@pytest.mark.parametrize("events", [made, old], ids=["ring", "perf"])
def test_a_loop_goes_on_with_what_was_there_at_the_end(events: Any) -> None:
    on = called.attach()
    before = calls[1]
    ask(600)
    going = iter(events)
    found = [next(going).number - before]
    on.close()
    assert [*found, *(one.number - before for one in going)] == list(range(1, 601))


@pytest.mark.parametrize("name", ["submits", "samples_it"])
def test_events_as_arrays(name: str) -> None:
    program = getattr(losses_programs, name)
    events = losses_programs.events if name == "submits" else losses_programs.samples
    losses_programs.own.pid = os.getpid()
    with program.attach():
        for _ in range(3):
            os.getpgid(0)
            found: list[int] = []
            for block in events.blocks():
                assert block["rest"].shape == (len(block), 7)
                found += block["number"].tolist()
                if len(found) >= 50:
                    break
            assert found == list(range(len(found)))
            rest = [one.number for one in events.read()]
            assert rest == list(range(rest[0], rest[0] + len(rest))) if rest else True
        os.getpgid(0)
    (last,) = events.blocks()
    assert last["number"].tolist()[:50] == list(range(50)), "what nobody had read when it was closed"


def test_events_in_asyncio() -> None:
    async def gathered() -> list[int]:
        found = []
        asyncio.get_running_loop().call_later(0.05, ask, 3)
        async for one in made:
            found.append(one.number)
            if len(found) == 3:
                return found
        return found

    with called.attach():
        assert asyncio.run(gathered()) == [1, 2, 3]


def test_waiting_takes_its_time() -> None:
    with called.attach():
        begin = time.monotonic()
        bpf.wait(0.25)
        assert 0.25 <= time.monotonic() - begin < 2


TOOL = """
import os, sys
from bpfvm import Ring, bpf, pid, u32

OWN = os.getpid()
events = Ring(u32)

@bpf.uprobe("c:getpgid")
def called():
    if pid() == OWN:
        events.submit(7)

if __name__ == "__main__":
    with bpf.attach(called):
        os.getpgid(0)
        for one in events:
            print("event", one, flush=True)
        print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_tool_ends_well(tmp_path: Path, number: int) -> None:
    (tmp_path / "tool.py").write_text(TOOL)
    command, around = [sys.executable, str(tmp_path / "tool.py")], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around) as tool:
        assert tool.stdout is not None
        assert tool.stdout.readline() == "event 7\n"
        tool.send_signal(number)
        assert tool.stdout.read() == "ended\n"
    assert tool.returncode == 0
