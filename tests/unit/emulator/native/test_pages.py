"""A file's pages in the arena: what is there, what goes away with which call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.memory import Arena
from bpfvm.emulator.native.captures.pages import HUGE, PAGE, Pages

FILE = bytes(range(256)) * (5 * PAGE // 256) + b"end"


@pytest.fixture
def arena() -> Iterator[Arena]:
    one = Arena()
    yield one
    one.close()


@pytest.fixture
def pages(arena: Arena, tmp_path: Path) -> Iterator[Pages]:
    path = tmp_path / "file"
    path.write_bytes(FILE)
    one = Pages(arena, 8 * PAGE)
    with path.open("rb") as file:
        one.map(file.fileno(), 0, len(FILE))
    yield one
    one.close()
    assert path.read_bytes() == FILE


def test_a_file_stands_in_the_arena_and_zeros_behind_it(arena: Arena, pages: Pages) -> None:
    found = bytes(arena.view[pages.base : pages.base + pages.size])
    assert found == FILE + bytes(pages.size - len(FILE))


def test_what_is_dropped_is_the_files_again_and_pages_in_part_stay(arena: Arena, pages: Pages) -> None:
    changed = [pages.base + number * PAGE + 8 for number in range(5)]
    for place in changed:
        arena.view[place] = 255
    pages.drop(changed[1], changed[4])
    assert [arena.view[place] for place in changed] == [255, 255, 8, 8, 255]
    pages.drop(changed[2], changed[2] + 10)
    pages.drop(changed[0] - 8, changed[1] - 9)
    assert [arena.view[place] for place in changed] == [255, 255, 8, 8, 255], "no page was whole"


def test_another_part_takes_the_place_of_what_was_there(arena: Arena, pages: Pages, tmp_path: Path) -> None:
    arena.view[pages.base] = 77
    with (tmp_path / "file").open("rb") as file:
        pages.map(file.fileno(), 4 * PAGE, PAGE + 3)
    found = bytes(arena.view[pages.base : pages.base + pages.size])
    assert found == FILE[4 * PAGE :] + bytes(pages.size - PAGE - 3)
    pages.close()
    assert not any(arena.view[pages.base : pages.base + pages.size])


def test_what_the_host_does_not_map_is_an_error(pages: Pages) -> None:
    with pytest.raises(Unavailable, match="does not map the capture"):
        pages.map(-1, 0, PAGE)


@pytest.mark.parametrize(("size", "unit"), [(PAGE, PAGE), (4 * HUGE - PAGE, PAGE), (4 * HUGE, HUGE), (9 * HUGE, HUGE)])
def test_large_pieces_of_a_file_fit(size: int, unit: int, arena: Arena) -> None:
    """The address in the host agrees with the offset in the file, whatever else the arena holds; all of it is there."""
    for other in range(1, 4):
        arena.allocate("other", other * PAGE, "packet")
        one = Pages(arena, size)
        assert one.unit == unit
        assert (arena.host + one.base) % unit == 0
        assert one.base >= one.region.base
        assert one.base + size <= one.region.base + one.region.size
