"""The kernel takes programs that look into packets by views, and they mean what they do in CPython."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bpfvm import Program
from tests.contract.parsers import parsed
from tests.contract.views import GROUPS, compare
from tests.views import frames, pieces, programs


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "plain"])
def test_views(record: bool) -> None:
    found = compare(programs.XDP, list(frames.cut(7)), "kernel", record)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 3000


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "plain"])
@pytest.mark.parametrize("group", GROUPS)
def test_other_hooks(group: str, record: bool) -> None:
    programs, frames = GROUPS[group]
    found = compare(programs, frames(23), "kernel", record)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 500


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "plain"])
def test_parsers(record: bool) -> None:
    found = parsed("kernel", record)
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 250


@pytest.mark.parametrize("group", [pieces.XDP[::2], pieces.TC[1::2]], ids=["xdp", "tc"])
def test_packets_in_pieces(group: Sequence[Program]) -> None:
    found = compare(group, list(frames.cut(47)), "kernel")
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 400


def test_places_in_other_pieces() -> None:
    found = compare(pieces.XDP[-2:], list(frames.long())[::2], "kernel")
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["runs"] >= 180
    assert found.counts["faults"] >= 60


@pytest.mark.parametrize("before", [0, 8, 208])
def test_metadata(before: int) -> None:
    given = [frame for frame in frames.cut(37) if len(frame) >= 34]
    found = compare(pieces.META, given, "kernel", ctx={"data_meta": before} if before else None)
    without = compare([pieces.taken_over], given, "kernel")
    print(found, without)
    assert not found.wrong + without.wrong, "\n".join((found.wrong + without.wrong)[:20])
    assert found.counts["runs"] >= 96


def test_places_far_away() -> None:
    found = compare(programs.FAR, list(frames.long()), "kernel")
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["faults"] >= 20
