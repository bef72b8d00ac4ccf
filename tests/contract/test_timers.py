"""Timers of values of maps: scripts of runs at times on the virtual clock; kernel_tests/maps has them too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bpfvm import Array, Hash, LpmTrie, TaskStorage, Timer, UsageError, bpf, ip4prefix, load, session, struct, u32
from bpfvm.obj.writer.object import write_object
from bpfvm.timeline import Timeline
from tests.contract.timers import MS, PACKET, SCRIPTS, Cell, arrays, cells, log, other, play
from tests.engines import EMULATORS

ENGINES = ("cpython", *EMULATORS)


@struct
class Two:
    timers: Timer[2]  # type: ignore[type-arg,valid-type]


@pytest.mark.parametrize("name", SCRIPTS)
def test_machines_agree_on_timers(name: str) -> None:
    played = {engine: play(name, engine) for engine in ENGINES}
    for engine, maps in played.items():
        assert maps == played["cpython"], engine
    print(f"{sum(len(maps) for maps in played['cpython'].values())} elements, {len(played)} engines")


@bpf.fentry("vfs_read")
def reading() -> None:
    """One program of a timeline starts a timer, whose callback and whose map another one shares."""
    cells[1].timer.start(other, after=50)
    cells[1].again = 1


@bpf.fentry("tcp_v4_connect")
def connecting() -> None:
    log[3] = cells[1].fired


@pytest.mark.parametrize("engine", ENGINES)
def test_timers_fire_between_the_events_of_a_timeline(engine: str) -> None:
    line = Timeline(reading, connecting)
    line.at(100, "vfs_read").at(149, "tcp_v4_connect").at(150, "tcp_v4_connect")
    assert line.run(engine).maps["timer_log"][3] == 100
    line.at(150 + 20 * MS, "tcp_v4_connect")
    assert line.run(engine).maps["timer_log"][3] == 200


def test_objects_have_timers(tmp_path: Path) -> None:
    """Written, read again, and run: the callback names itself, backwards."""
    path = tmp_path / "timers.o"
    path.write_bytes(write_object(arrays.object))
    program = load(str(path)).programs["arrays"]
    with session(program, "interp") as runs:
        runs.run(PACKET)
        runs.clock = 300 * MS
        assert runs.run(PACKET).value == 3
        assert runs.maps["timer_cells"][2]["fired"] == 300


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Hash(u32, Cell, 4, percpu=True), "values of a map of type percpu_hash hold no timers"),
    (lambda: LpmTrie(ip4prefix, Cell), "values of a map of type lpm_trie hold no timers"),
    (lambda: TaskStorage(Cell), "values of a map of type task_storage hold no timers"),
    (lambda: Array(Timer, 4), "a timer is a field of a value, and no value"),
    (lambda: Array(Two, 4), "a value holds one timer, and Two has 2"),
])  # fmt: skip
def test_what_holds_no_timers(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()
