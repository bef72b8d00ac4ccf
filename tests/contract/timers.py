"""Programs with timers, and scripts of runs at times, which every machine plays: the kernel waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm import Array, Hash, Program, Timer, bpf, session, struct, u8, u16, u32, u64

MS = 1_000_000  # ns
READ, START, CANCEL, DELETE, STORE = range(5)


@struct
class Inner:
    name: u16
    timer: Timer


@struct
class Value:
    """A timer inside of a structure of the value."""

    count: u64
    fired: u32
    inner: Inner


@struct
class Key:
    a: u16
    b: u8


@struct
class Cell:
    timer: Timer
    fired: u32
    again: u32


values = Hash(Key, Value, 16, name="timer_values")
recent = Hash(u32, Cell, 64, lru=True, name="timer_recent")
cells = Array(Cell, 4, name="timer_cells")
log = Array(u64, 4, name="timer_log")


@bpf.func
def weight(a: u32, b: u32) -> u64:
    """A subprogram that a callback calls, and that may end by a fault."""
    assert a != 9, "nine"
    return u64(a) * 10 + b


def arm(value: Any, ms: int) -> None:
    """What programs and callbacks start timers by."""
    value.inner.timer.start(tick, after=ms * MS)


def tick(owner: Any, key: Any, value: Any) -> None:
    """One that starts itself again twice, or deletes its element."""
    value.fired += 1
    value.count += weight(key.a, key.b)
    log[0] += 1
    for i in range(value.fired):
        log[1] += i
    if value.fired < 3:
        arm(value, 20)
        return
    if key.b == 7:
        del owner[key]


@bpf.function
def hashes(op: u8, a: u16, b: u8, ms: u32) -> u64:
    """Elements of a hash with a struct for key."""
    key = Key(a=a, b=b)
    if op == START:
        value = values.setdefault(key, Value(count=1))  # type: ignore[call-arg]
        arm(value, ms)
    if op == CANCEL:
        found = values.get(key)
        return 1000 if found is None else 1000 + found.inner.timer.cancel()
    if op == DELETE:
        del values[key]
    if op == STORE:
        values[key] = Value(count=500)  # type: ignore[call-arg]
    there = values.get(key)
    return there.count * 10 + there.fired if there is not None else 7


def once(owner: Any, index: int, cell: Any) -> int:
    """One of an array: it stops itself, which does nothing."""
    cell.fired += index + 1
    log[2] += cell.timer.cancel()
    return 0


def other(owner: Any, index: int, cell: Any) -> None:
    cell.fired += 100
    if cell.again:
        cell.again -= 1
        cell.timer.start(other, after=20 * MS)


@bpf.xdp
def arrays(ctx: Any) -> int:
    """Elements of an array, in a program of packets; the last callback counts."""
    cell = cells[1]
    if cell.fired == 0:
        cell.timer.start(once, 5 * MS)
        cells[2].again = 2
        cells[2].timer.start(other, 10 * MS)
        cells[3].timer.start(once, 5 * MS)
        cells[3].timer.start(other, after=20 * MS)
        cells[0].timer.start(other, after=10_000 * MS)
        log[3] = cells[0].timer.cancel() * 2 + cells[0].timer.cancel()
    return int(min(cells[3].fired, 3))


@bpf.tc
def recents(skb: Any) -> int:
    """Elements of an LRU map; any of them, by a reference that is joined."""
    k = skb.mark & 1
    if k not in recent:
        recent[k] = Cell()  # type: ignore[call-arg]
    one = recent[0] if k == 0 else recent[1]
    if one.fired == 0:
        one.timer.start(other, after=5 * MS)
    return int(one.fired)


def failing(owner: Any, index: int, cell: Any) -> None:
    log[0] += 1
    log[index] = 64 // (cell.again & 1)
    log[1] += 1


@bpf.function
def faults(op: u32, again: u32) -> u32:
    """A fault in a callback ends it alone, and is told by the next run."""
    cells[2].again = again
    if op:
        cells[2].timer.start(failing, after=5 * MS)
    return u32(log[1])


@dataclass(frozen=True, slots=True)
class Step:
    """One run. at: ms since the start. given: its arguments. gives: its result. fault: where it ends by one, or
    something before it did."""

    at: int
    given: tuple[Any, ...]
    gives: object
    fault: str = ""
    ctx: Mapping[str, int] | None = None


PACKET = bytes(64)
SCRIPTS: Mapping[str, tuple[Program, tuple[Step, ...]]] = {
    "hash": (hashes, (
        Step(0, (START, 3, 5, 40), 10), Step(0, (START, 4, 7, 60), 10), Step(0, (START, 5, 1, 20), 10),
        Step(0, (CANCEL, 5, 1, 0), 1001), Step(0, (CANCEL, 5, 1, 0), 1000), Step(0, (CANCEL, 6, 1, 0), 1000),
        Step(0, (START, 7, 2, 20), 10), Step(0, (DELETE, 7, 2, 0), 7),
        Step(0, (START, 8, 2, 20), 10), Step(0, (STORE, 8, 2, 0), 5000),
        Step(0, (START, 2, 2, 10), 10), Step(0, (START, 2, 2, 50), 10),
        Step(350, (READ, 3, 5, 0), 1063), Step(350, (READ, 4, 7, 0), 7), Step(350, (READ, 5, 1, 0), 10),
        Step(350, (READ, 7, 2, 0), 7), Step(350, (READ, 8, 2, 0), 5000), Step(350, (READ, 2, 2, 0), 673),
        Step(350, (START, 5, 1, 20), 10), Step(350, (START, 9, 1, 20), 10), Step(600, (READ, 5, 1, 0), 1543,
             "AssertionError"), Step(600, (READ, 9, 1, 0), 11),
    )),
    "array": (arrays, (Step(0, (PACKET,), 0), Step(300, (PACKET,), 3))),
    "lru": (recents, (
        Step(0, (PACKET,), 0), Step(0, (PACKET,), 0, ctx={"mark": 1}), Step(200, (PACKET,), 100),
    )),
    "fault": (faults, (
        Step(0, (1, 0), 0), Step(200, (0, 1), 0, "ZeroDivisionError"), Step(200, (1, 1), 0),
        Step(400, (0, 1), 1), Step(400, (0, 1), 1),
    )),
}  # fmt: skip


def play(name: str, engine: str, wait: Callable[[int], None] | None = None) -> dict[str, Any]:
    """The maps after a script, each of whose runs must give what it says. wait: until so many ms since the start."""
    program, steps = SCRIPTS[name]
    with session(program, engine) as runs:
        for step in steps:
            if wait is None:
                runs.clock = step.at * MS
            else:
                wait(step.at)
            outcome = runs.run(*step.given, ctx=step.ctx) if step.ctx else runs.run(*step.given)
            fault = outcome.fault.kind if outcome.fault is not None else ""
            assert (outcome.value, fault) == (step.gives, step.fault), f"{engine}, {name}: {step}: {outcome}"
        return {one: dict(found) for one, found in runs.maps.items()}
