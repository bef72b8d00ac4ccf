"""gcc before 14 writes the dimensions of arrays the wrong way round; they are read as its C source has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.obj.btf.dimensions import put_right
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Struct, Var
from bpfvm.obj.reader.object import read_object

OBJECTS = Path(__file__).parents[3] / "objects"


@pytest.mark.parametrize("name", ["btf_kinds.o", "btf_kinds_gcc.o"])
def test_fields_are_as_in_the_source(name: str) -> None:
    btf = read_object(OBJECTS / name).btf
    assert btf is not None
    (grid,) = (one.type for each in btf if isinstance(each, Struct) for one in each.members if one.name == "grid")
    assert btf.name_of(grid) == "int[2][3]"


@pytest.mark.parametrize("name", ["data_mixed.o", "data_mixed_gcc.o", "data_mixed_gcc_big.o"])
def test_variables_are_as_in_the_source(name: str) -> None:
    btf = read_object(OBJECTS / name).btf
    assert btf is not None
    (names,) = (one.type for one in btf if isinstance(one, Var) and one.name == "names")
    assert btf.name_of(names).removeprefix("const ") == "char[2][8]"


def test_what_is_shared_stays() -> None:
    """Of int a[2], b[2][3], c[2][3][4] as they are written: the rows of one are the whole of another."""
    btf = Btf()
    number = btf.add_int("int", 4)
    a = btf.add_array(number, 2)
    b = btf.add_array(a, 3)
    c = btf.add_array(b, 4)
    put_right(btf)
    assert [btf.name_of(one) for one in (a, b, c)] == ["int[2]", "int[2][3]", "int[2][3][4]"]
    assert [btf.size_of(one) for one in (a, b, c)] == [8, 24, 96]
