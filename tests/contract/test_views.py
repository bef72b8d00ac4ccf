"""Programs that look into packets by views mean what they do in CPython, on every emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from bpfvm import Program
from tests.contract.parsers import parsed
from tests.contract.views import GROUPS, compare
from tests.engines import EMULATORS
from tests.views import frames, parsers, pieces, programs

ENGINES = [name for name in EMULATORS if name != "cpython"]


@pytest.mark.parametrize("engine", ENGINES)
def test_views(engine: str) -> None:
    """Without records, as programs are loaded: a fault is seen by its value."""
    found = compare(programs.XDP, list(frames.cut(29)), engine, record=False)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 1000
    assert found.counts["faults"] >= 350


def test_lines_of_faults() -> None:
    found = compare(programs.XDP, list(frames.cut(11)), "interp")
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["faults"] >= 800


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "plain"])
@pytest.mark.parametrize("group", GROUPS)
def test_other_hooks(group: str, record: bool) -> None:
    """Bytes at addresses, by a helper, by legacy loads; from Ethernet and from IP on."""
    programs, frames = GROUPS[group]
    found = compare(programs, frames(61), "portable", record)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 300
    assert found.counts["faults"] >= 80


@pytest.mark.parametrize("engine", ENGINES)
def test_parsers(engine: str) -> None:
    found = parsed(engine, record=engine == "interp")
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 150


def test_what_parsers_count() -> None:
    with parsers.dns.session("interp") as session, parsers.http.session("interp") as answers:
        for frame in frames.whole():
            session.run(parsers.dns.input((frame,)))
            answers.run(parsers.http.input((frame,), {"ingress_ifindex": 1}))
        types = {kind: n for kind, n in session.maps()["qtypes"].items() if n}
        words = dict(answers.maps()["methods"])
    assert types == {28: 2}
    assert words == {"GET ": 1, "POST": 1}


@pytest.mark.parametrize(
    ("group", "given", "engine"),
    [
        (pieces.XDP[::2], frames.cut, "portable"),
        (pieces.TC[1::2], frames.cut, "interp"),
        (pieces.LWT[::2], frames.inner, ENGINES[-1]),
    ],
    ids=["xdp", "tc", "lwt"],
)
def test_packets_in_pieces(group: Sequence[Program], given: Callable[[int], Iterator[bytes]], engine: str) -> None:
    """Bytes wherever they lie, by helpers."""
    found = compare(group, list(given(47)), engine, record=engine != ENGINES[-1])
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 200
    assert found.counts["faults"] >= 50


@pytest.mark.parametrize("engine", ENGINES)
def test_places_in_other_pieces(engine: str) -> None:
    found = compare((pieces.XDP[-2], pieces.XDP[-1], pieces.TC[-2]), list(frames.long())[::3], engine)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 180
    assert 60 <= found.counts["faults"] <= 120


@pytest.mark.parametrize("engine", ENGINES)
def test_metadata(engine: str) -> None:
    for before in (0, 8, 208):
        given = [frame for frame in frames.cut(61) if len(frame) >= 34]
        found = compare(pieces.META, given, engine, ctx={"data_meta": before} if before else None)
        print(found)
        assert not found.wrong, "\n".join(found.wrong[:20])
        assert found.counts["runs"] >= 60
    found = compare([pieces.taken_over], given, engine)
    assert not found.wrong, "\n".join(found.wrong[:20])


@pytest.mark.parametrize("engine", ENGINES)
def test_places_far_away(engine: str) -> None:
    """Past the first page of an XDP frame, and past what programs see of a packet."""
    found = compare(programs.FAR, list(frames.long()), engine)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["faults"] >= 300
