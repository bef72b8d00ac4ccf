"""Large BTF: the index answers as the whole list does, from disk or made anew, and survives damage of both."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf import cache as btf_cache
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf import index as btf_index
from bpfvm.obj.btf import types
from bpfvm.obj.btf.file import read_btf
from bpfvm.obj.btf.index import BtfIndex, open_index
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.text import raw
from bpfvm.obj.btf.view import essential_name
from bpfvm.obj.cursor import Bytes, StringTable
from bpfvm.obj.reader.object import read_object

ROOT = Path(__file__).resolve().parents[4]
OBJECTS = sorted((ROOT / "tests" / "objects").glob("*.o"))


def encoded(btf: Btf, endian: str = "little") -> bytes:
    return btf_codec.encode(btf, StringTable(), endian)


def index(btf: Btf, endian: str = "little") -> BtfIndex:
    return BtfIndex(Bytes(encoded(btf, endian), ".BTF", endian))


def large(last: int = 0) -> Btf:
    """More than what is indexed without a cache. last: what differs."""
    btf = Btf([types.Int("int", 4, 32, 0, True)])
    for number in range(12_000):
        btf._append(types.Typedef(f"name_{number}", 1))
    btf._append(types.Int("last", 4, last))
    return btf


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bpfvm"


@pytest.mark.parametrize(
    ("name", "essential"),
    [
        ("task_struct___old", "task_struct"), ("a___b___c", "a___b"), ("a____b", "a____b"), ("a___", "a___"),
        ("___a", "___a"), ("a__b", "a__b"), ("", ""), ("a___b_", "a"), ("a___b___", "a"), ("_a___b", "_a"),
        ("a_____b", "a_____b"), ("a____b___c", "a____b"),
    ],
)  # fmt: skip
def test_names_without_their_flavour(name: str, essential: str) -> None:
    assert essential_name(name) == essential


def test_an_index_answers_as_the_list_does() -> None:
    compared = 0
    for path in OBJECTS:
        if read_object(path).btf is None:
            continue
        btf = btf_codec.decode(read_btf(path))[0]
        found = open_index(path)
        assert [found[number] for number in range(1, len(found) + 1)] == list(btf)
        for number, one in enumerate(btf, 1):
            name = getattr(one, "name", "")
            assert found.name_of(number) == btf.name_of(number)
            assert found.find(type(one), name) == btf.find(type(one), name) or not name
            assert list(found.named(essential_name(name))) == list(btf.named(essential_name(name))) or not name
            compared += 1
    print(f"{compared} types compared")
    assert compared >= 2000


@pytest.mark.skipif(shutil.which("bpftool") is None, reason="bpftool is not installed")
def test_the_raw_text_is_that_of_bpftool() -> None:
    files = compared = 0
    for path in OBJECTS:
        if read_object(path).btf is None:
            continue
        command = ["bpftool", "btf", "dump", "file", str(path), "format", "raw"]
        printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        found = open_index(path)
        assert [*raw(found)] == printed.splitlines(), path.name
        assert [*raw(found, len(found))] == [*raw(found)][-len([*raw(found, len(found))]) :]
        files, compared = files + 1, compared + len(found)
    print(f"{compared} types of {files} files compared")
    assert (files >= 60, compared >= 2000) == (True, True)


def test_names_that_share_bytes_are_told_apart() -> None:
    """A linker may let one name be the end of another."""
    names = [("double", 8), ("double___x", 8), ("able", 4), ("double", 4)]
    btf = Btf([types.Float(name, size) for name, size in names])
    found = index(btf)
    assert list(found.named("double")) == [1, 2, 4]
    assert found.find(types.Float, "double___x") == 2
    data = bytearray(encoded(btf))
    (start,) = struct.unpack_from("<I", data, 24)
    struct.pack_into("<I", data, 24 + 2 * 12, start + 2)  # type 3: "uble" in the middle of "double"
    shared = BtfIndex(Bytes(bytes(data), ".BTF"))
    assert (list(shared.named("uble")), list(shared.named("able"))) == ([3], [])


def test_the_index_is_kept_and_read_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = index(large())
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(btf_index, "_made", None)  # whoever makes it again fails
    second = index(large())
    assert len(second) == len(first) == 12_002
    assert second.find(types.Typedef, "name_777") == first.find(types.Typedef, "name_777") == 779


def test_other_types_are_never_answered_from_the_old_index(cache: Path) -> None:
    assert index(large(1))[12_002] == types.Int("last", 4, 1)
    assert index(large(2))[12_002] == types.Int("last", 4, 2)
    assert len([*cache.iterdir()]) == 2


@pytest.mark.parametrize("kind", ["short", "long", "header", "body", "empty", "folder"])
def test_a_damaged_index_counts_as_missing(cache: Path, kind: str) -> None:
    index(large())
    (kept,) = cache.iterdir()
    data = bytearray(kept.read_bytes())
    if kind == "folder":
        kept.unlink()
        kept.mkdir()
    else:
        data[{"header": 33, "body": 1000}.get(kind, 0)] ^= 0 if kind in ("short", "long", "empty") else 1
        changed: dict[str, bytes] = {"short": bytes(data[:-4]), "long": bytes(data) + b"\0" * 8, "empty": b""}
        kept.write_bytes(changed.get(kind, bytes(data)))
    assert index(large()).find(types.Typedef, "name_5") == 7
    if kind != "folder":
        assert len(kept.read_bytes()) == len(data), "a good one takes its place"


@pytest.mark.parametrize("place", ["/proc/nowhere", "relative", "", "/dev/null"])
def test_a_folder_that_cannot_be_written_is_no_error(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert index(large()).find(types.Typedef, "name_5") == 7
    assert not (tmp_path / "relative").exists()
    assert (tmp_path / "home" / ".cache" / "bpfvm").exists() == (place in ("", "relative"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_an_index_of_another_user_is_not_believed(cache: Path) -> None:
    index(large())
    (kept,) = cache.iterdir()
    digest = kept.name[4:-6]
    assert btf_cache.load(digest, 1 << 30) is not None
    os.chown(kept, 65534, 65534)
    assert btf_cache.load(digest, 1 << 30) is None


def test_small_btf_leaves_nothing_on_disk(cache: Path) -> None:
    index(Btf([types.Float("double", 8)]))
    assert not cache.exists()


@pytest.mark.parametrize("endian", ["little", "big"])
def test_a_module_continues_the_kernel(endian: str) -> None:
    kernel = Btf([types.Int("long int", 8, 64), types.Struct("shared", 8, (types.Member("a", 1, 0),))])
    strings = StringTable()
    base = btf_codec.encode(kernel, strings, endian)
    start = len(bytes(strings))
    added: list[types.Type] = [
        types.Ptr(2),
        types.Struct("own", 8, (types.Member("a", 3, 0),)),
        types.Typedef("shared", 4),
    ]
    whole = btf_codec.encode(Btf([*kernel, *added]), strings, endian)
    order = "<" if endian == "little" else ">"
    old, new = struct.unpack_from(order + "I", base, 12)[0], struct.unpack_from(order + "I", whole, 12)[0]
    bodies, texts = whole[24 + old : 24 + new], bytes(strings)[start:]
    header = struct.pack(order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(bodies), len(bodies), len(texts))
    first = BtfIndex(Bytes(base, "vmlinux", endian))
    module = BtfIndex(Bytes(header + bodies + texts, "module", endian), first)
    assert [module[number] for number in range(1, len(module) + 1)] == [*kernel, *added]
    assert list(module.named("shared")) == [2, 5]
    assert (module.find(types.Struct, "own"), first.find(types.Struct, "own")) == (4, None)
    assert module.size_of(3) == 8
    with pytest.raises(LoadError, match="there is no BTF type 6: ids go from 1 to 5"):
        module[6]
    other = "big" if endian == "little" else "little"
    with pytest.raises(LoadError, match=f"{other}-endian, and the BTF that it continues"):
        BtfIndex(Bytes(encoded(kernel, other), "module", other), first)


@pytest.mark.parametrize(
    ("longs", "size"), [([], 8), ([("long int", 4)], 4), ([("long", 2), ("unsigned long", 4), ("long", 8)], 4)]
)
def test_pointers_are_as_wide_as_long(longs: list[tuple[str, int]], size: int) -> None:
    ints: list[types.Type] = [types.Int(name, width, width * 8) for name, width in longs]
    assert index(Btf([*ints, types.Ptr(0)])).size_of(len(ints) + 1) == size


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"neither BTF nor ELF: it begins with b''"),
        (b"\x7fELF", "the header needs 16 bytes, and 4 are left"),
        (b"\x7fELF\x03\x01" + bytes(58), "ELF class 3 and byte order 1"),
        (b"\x7fELF\x02\x01" + bytes(10), "ELF header needs 64 bytes at 0x0, and the file has 16"),
        (b"\x7fELF\x02\x01" + bytes(58), "section 0 holds the names, and there are 0 sections"),
        (b"\x7fELF\x02\x01" + bytes(34) + b"\xff" * 8 + bytes(16), "section headers needs 0 bytes at 0xffff"),
        (b"\x9f\xeb\x01", "the header needs 24 bytes, and 3 are left"),
    ],
)
def test_files_without_btf_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "some\nfile"
    path.write_bytes(data)
    with pytest.raises(LoadError, match=reason) as caught:
        open_index(path)
    assert "\n" not in str(caught.value)
    assert "some" in str(caught.value)
    with pytest.raises(LoadError, match=r"no section \.BTF"):
        open_index(sys.executable)


@pytest.mark.parametrize(
    ("at", "new", "reason"),
    [
        (31, b"\x1f", "unknown kind 31; known are 1 to 19"),
        (31, b"\x00", "unknown kind 0; known are 1 to 19"),
        (40, b"\xff\xff\x00\x04", r"offset 0xc: the last type ends at 0xc000c, and the types at 0x18"),
        (12, b"\x17", "offset 0x0: the last type ends at 0xc, and the types at 0x17"),
    ],
)
def test_damage_is_named(at: int, new: bytes, reason: str) -> None:
    data = bytearray(encoded(Btf([types.Float("real", 4), types.Ptr(1)])))
    data[at : at + len(new)] = new
    with pytest.raises(LoadError, match=reason):
        BtfIndex(Bytes(bytes(data), ".BTF"))


def test_damaged_btf_never_ends_in_anything_but_a_load_error() -> None:
    dice = random.Random(7)
    good = bytearray(encoded(Btf(read_object(ROOT / "tests/objects/core_target.o").btf or ())))
    refused = 0
    begun = time.perf_counter()
    for _ in range(400):
        data = bytearray(good)
        for _ in range(dice.choice((1, 1, 3, 20))):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        try:
            found = BtfIndex(Bytes(bytes(data), ".BTF"))
            for number in range(1, len(found) + 1):
                found.name_of(number)
                found.size_of(number)
            assert all(list(raw(found)))
        except LoadError:
            refused += 1
    print(f"{refused} of 400 refused")
    assert 100 < refused <= 400
    assert time.perf_counter() - begun < 60


def test_opening_needs_no_numpy() -> None:
    script = "import sys, bpfvm.obj.btf.index as a; print(len(a.open_index(sys.argv[1])), 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(OBJECTS[0])], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[1] == "False"
