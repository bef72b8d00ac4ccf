"""The kernel takes programs that look into packets by views, and they mean what they do in CPython."""

from __future__ import annotations

import pytest

from tests.contract.parsers import parsed
from tests.contract.views import GROUPS, compare
from tests.views import frames, programs


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


def test_places_far_away() -> None:
    found = compare(programs.FAR, list(frames.long()), "kernel")
    print(found)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["faults"] >= 20
