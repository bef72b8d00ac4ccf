"""User halves over kernel halves of object files: declared maps stand for the object's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpfvm import Array, PerfEvents, Ring, UsageError, char, load, struct, u32, u64
from bpfvm.lang import userspace
from bpfvm.timeline import Task, Timeline
from bpfvm.timeline.scripted import Scripted

ROOT = Path(__file__).resolve().parents[3]
SHELLS = str(ROOT / "examples/c/bashreadline.o")


@struct
class Line:
    """As the object has it."""

    pid: u32
    text: char[80]  # type: ignore[type-arg, valid-type]


lines = PerfEvents(Line)


def script(timeline: Timeline) -> None:
    for at, text in enumerate(("ls", "exit"), 1):
        timeline.at(f"{at}s", "/bin/bash:readline", by=Task(7, "bash"), ret=text)
    timeline.at("3s", "/bin/bash:readline", by=Task(7, "bash"), regs={"ax": 0}, ret=None or 0)


@pytest.mark.parametrize("engine", ["interp", "portable"])
def test_events_of_an_object(engine: str) -> None:
    with userspace.instead(Scripted(script, engine)), load(SHELLS).attach(maps={"events": lines}) as on:
        assert list(on.maps) == ["events"]
        assert [(one.pid, str(one.text)) for one in lines] == [(7, "ls"), (7, "exit")]
    assert lines.lost == 0


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"lines": lines}, "there is no map 'lines'; the maps are events"),
        ({"events": Line}, "attach(maps=…): 'events' takes a declared map"),
        ({"events": Ring(Line)}, "map events is a perf_event_array with keys of 4 bytes and values of 4, and is "
                                 "declared as a ringbuf with keys of 0 bytes and values of 0"),
        ({"events": Array(u64, 4)}, "declared as an array with keys of 4 bytes and values of 8"),
    ],
)  # fmt: skip
def test_declarations_that_do_not_fit(maps: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(SHELLS).attach(maps)
    assert words in str(caught.value)


def test_an_object_that_names_no_places() -> None:
    with pytest.raises(UsageError, match=r"no section of .* names what it is attached to: use \.attach"):
        load(str(ROOT / "tests/objects/xdp_count.o")).attach()
