"""Functions that are chosen when a file is loaded: probes go to what was chosen, never to what chooses."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.kernel.attach import targets
from bpfvm.obj.executables import libraries
from bpfvm.obj.executables.symbols import Executable, Function

SHOP = Path(__file__).resolve().parents[2] / "process/shop"
CHOOSES = 10  # STT_GNU_IFUNC


def _chooser(folder: Path) -> str:
    """A copy of a program in which the symbol `price` is one that chooses."""
    data, image = bytearray(SHOP.read_bytes()), Executable(str(SHOP))
    (price,) = image.functions("price")
    rows = [at for at in range(0, len(data) - 24, 4) if int.from_bytes(data[at + 8 : at + 16], "little") == price.offset
            and data[at + 4] & 15 == 2 and int.from_bytes(data[at + 6 : at + 8], "little")]  # fmt: skip
    for at in rows:
        data[at + 4] = data[at + 4] & 0xF0 | CHOOSES
    path = folder / "chooser"
    path.write_bytes(data)
    return str(path)


def test_what_chooses_is_known(tmp_path: Path) -> None:
    (one,) = Executable(_chooser(tmp_path)).functions("price")
    assert one == Function("price", Executable(str(SHOP)).functions("price")[0].offset, resolver=True)


def test_a_file_that_is_not_loaded(tmp_path: Path) -> None:
    path = _chooser(tmp_path)
    with pytest.raises(LoadError) as caught:
        targets.functions("p", f"{path}:price", None)
    assert f"p: {path} chooses what price is when it is loaded (STT_GNU_IFUNC)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert targets.functions("p", f"{path}:sell", None).places[0][0] == "sell"


def test_a_function_of_the_c_library() -> None:
    path = libraries.find("c", None)
    choosers = [one for one in Executable(path).functions("strlen") if one.resolver]
    if not choosers:
        pytest.skip(f"{path} has one strlen for all CPUs")
    (found,) = targets.functions("p", "c:strlen+0x4", None).places
    address = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value or 0
    rows = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    areas = [(*(int(word, 16) for word in row[0].split("-")), int(row[2], 16)) for row in rows]
    start, offset = next((start, offset) for start, end, offset in areas if start <= address < end)
    assert found == ("strlen+0x4", address - start + offset + 4, 0)
    assert found[1] - 4 != choosers[0].offset
