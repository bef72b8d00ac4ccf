"""Where functions and declared probes of executables lie; names of C++ and Rust; damaged files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.obj.executables import libraries
from bpfvm.obj.executables import symbols as executable
from bpfvm.obj.executables.symbols import Executable, Function, Probe

SHOP = Path(__file__).parents[3] / "process" / "shop"

# symbols that g++ 12 and rustc 1.95 make (both manglings) -> the names that find them
MANGLED = {
    "_ZNK1a1b1C3getEi": ("a::b::C::get", "a::*::C::get"),
    "_ZN1a1b1C4makeEv": ("a::b::C::make",),
    "_ZN1a1b1C2tmIiEEiT_": ("a::b::C::tm",),
    "_ZN1a1b7free_fnEi": ("a::b::free_fn",),
    "_ZSt9terminatev": ("std::terminate",),
    "_ZNSt6locale7classicEv": ("std::locale::classic",),
    "_ZN1r4shop4open17h106efd2095c1cbc7E": ("r::shop::open",),
    "_ZN1r4shop4Till4sell17h26fd509f904c3249E": ("r::shop::Till::sell",),
    "_RNvNtCs6GmmlP4bgsG_1r4shop4open": ("r::shop::open",),
    "_RNvMNtCs6GmmlP4bgsG_1r4shopNtB2_4Till4sell": ("r::shop::Till::sell",),
}


def test_functions_by_name_and_pattern() -> None:
    shop = Executable(str(SHOP))
    assert shop.functions("price") == [Function("price", 0x1003)]
    assert [one.name for one in shop.functions("*")] == ["bare", "sell", "price", "_start"]
    assert shop.functions("prices") == []
    assert shop.names() == ["_start", "bare", "price", "sell"]


def test_declared_probes() -> None:
    shop = Executable(str(SHOP))
    # the counter lies at 0x4000 in memory, a page further than in the file
    assert shop.probes("shop", "sale") == [Probe("shop", "sale", 0x1001, 0x3000, "-4@%edi 8@%rsi")]
    assert shop.probes("", "s*") == shop.probes("shop", "sale")
    assert shop.probes("shop", "refund") == []


def test_names_of_other_languages() -> None:
    names = sorted({name for names in MANGLED.values() for name in names})
    for name in names:
        pattern = executable._matcher(name)
        assert pattern is not None
        found = {symbol for symbol in MANGLED if pattern.fullmatch(symbol)}
        assert found == {symbol for symbol, known in MANGLED.items() if name in known}, name
    print(f"{len(names)} names, {len(MANGLED)} symbols")
    assert len(names) >= 9


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, text in ((__file__, "not an ELF file"), ("/no/such/file", "No such file"),
                       (str(tmp_path / "empty"), "an empty file")):  # fmt: skip
        with pytest.raises(LoadError, match=text):
            Executable(path)


def test_damaged_files(tmp_path: Path) -> None:
    whole, dice, refused = SHOP.read_bytes(), random.Random(7), 0
    path = tmp_path / "damaged"
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            at = dice.choice((dice.randrange(64), dice.randrange(len(data)), dice.randrange(0x2F00, len(data))))
            data[at] = dice.randrange(256)
        path.write_bytes(data[: dice.choice((len(data), dice.randrange(len(data))))])
        try:
            shop = Executable(str(path))
            shop.functions("price")
            shop.names()
            shop.probes("*", "*")
        except BpfvmError as error:
            refused += "\n" not in str(error)
    print(f"{refused} of 400 refused")
    assert 100 <= refused <= 390


@pytest.mark.parametrize("left", [0, 4096, -1])
def test_a_file_that_is_cut_short_meanwhile(left: int, tmp_path: Path) -> None:
    """left: bytes of the file. What it has no more is one line, no signal."""
    path = tmp_path / "file"
    path.write_bytes(SHOP.read_bytes())
    shop = Executable(str(path))
    with path.open("r+b") as file:
        file.truncate(left if left >= 0 else SHOP.stat().st_size + left)
    if left < 0:  # of the section headers, which are known
        assert shop.functions("price")
        return
    for ask in (shop.names, shop.symbols, lambda: shop.functions("price"), lambda: shop.probes("*", "*")):
        with pytest.raises(
            LoadError, match=r"file: offset 0x[0-9a-f]+: somebody cut the file short while [.a-z]+ was read$"
        ):
            ask()


def test_program_headers_of_no_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(SHOP.read_bytes()[:54] + bytes(2) + SHOP.read_bytes()[56:])
    assert Executable(str(path)).functions("price") == []


@pytest.mark.parametrize("name", ["c", "libc", "libc.so.6"])
def test_libraries_by_name(name: str) -> None:
    try:
        found = libraries.find(name)
    except LoadError:
        pytest.skip("this system has no libc.so.6, as those without glibc")
    assert Path(found).name.startswith("libc")
    assert Executable(found).functions("malloc")


def test_libraries_that_are_not_there() -> None:
    with pytest.raises(LoadError, match="no library and no program of this name"):
        libraries.find("no_such_library_at_all")
    with pytest.raises(LoadError, match="there is no such file"):
        libraries.find("/no/such/file")
