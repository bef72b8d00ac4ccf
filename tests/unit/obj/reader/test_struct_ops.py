"""Tables of functions read of files: what stands in them, and what they may not point to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.elf import container as elf
from bpfvm.obj.reader.object import parse_object, read_object
from bpfvm.obj.writer.object import write_object

FILE = Path(__file__).resolve().parents[3] / "objects" / "refused" / "tables.o"
CONTROL = ((0, "ssthresh"), (8, "cong_avoid"), (16, "undo_cwnd"))


def test_tables_have_contents_and_programs() -> None:
    spec = read_object(FILE)
    assert {name: (one.section, one.programs) for name, one in spec.tables.items()} == {
        "plain": (".struct_ops", CONTROL),
        "dummy": (".struct_ops", ((0, "first"), (8, "second"))),
        "linked": (".struct_ops.link", CONTROL),
    }
    assert spec.tables["plain"].contents == bytes(24) + b"bpfvm_plain".ljust(16, b"\0")
    assert spec.skipped == ()
    assert {one.type for one in spec.programs.values()} == {"struct_ops"}


def test_tables_are_only_read() -> None:
    with pytest.raises(LoadError, match=r"written whole: section \.struct_ops: plain is a table of functions"):
        write_object(read_object(FILE))


def changed(place: int, data: bytes) -> bytes:
    whole = bytearray(FILE.read_bytes())
    whole[place : place + len(data)] = data
    return bytes(whole)


def relocation(number: int) -> int:
    """Where the file has a relocation of .struct_ops."""
    file = elf.Elf(FILE.read_bytes())
    table = next(one for one in file.sections if one.name == ".rel.struct_ops")
    at = FILE.read_bytes().index(bytes(table.data.data))
    return at + 16 * number


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: changed(relocation(0), (4096).to_bytes(8, "little")), "where no member of a table can hold"),
        (lambda: changed(relocation(0) + 8, (10).to_bytes(4, "little")), "where no member of a table can hold"),
        (lambda: changed(relocation(0) + 12, (0).to_bytes(4, "little")), "which is no program of this object"),
    ],
)
def test_what_points_elsewhere_is_named(change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(LoadError, match=message):
        parse_object(change())
