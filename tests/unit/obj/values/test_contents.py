"""Map contents by BTF: bytes to values and JSON, and back."""

from __future__ import annotations

import ipaddress
import json
import pickle
import struct
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm import load
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.core.machine import Entries
from bpfvm.obj.btf import types
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import MapSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.obj.values.contents import FrozenRecord, decode_entries, encode_entries, from_json, shape_of, to_json
from bpfvm.obj.values.shapes import Raw

OBJECTS = Path(__file__).resolve().parents[3] / "objects"
SEEN = {
    "packets": 7, "bytes": 1 << 40, "family": 3, "balance": -7, "label": "arp", "word": 0x01020304,
    "octets": [4, 3, 2, 1], "first": 0x0304, "second": 0x0102, "pad": 5, "priority": 9, "dropped": True,
    "shape": [[1, -2], [3, -4]],
}  # fmt: skip


def seen_bytes(endian: str) -> bytes:
    """The same record laid out by hand, after the declaration in xdp_actions.c."""
    order = "<" if endian == "little" else ">"
    bits = 5 | 9 << 3 if endian == "little" else 5 << 5 | 9
    head = struct.pack(order + "QQIi8sI", 7, 1 << 40, 3, -7, b"arp", 0x01020304)
    return head + struct.pack(order + "BB4hxx", bits, 1, 1, -2, 3, -4)


def test_members_are_attributes() -> None:
    """Of keys and of values, as they are of the structs that maps give while they are attached."""
    spec = read_object(OBJECTS / "xdp_actions.o")
    (declared,) = (one for one in spec.maps.values() if one.value_size == len(seen_bytes("little")))
    entries: Entries = [(bytes(declared.key_size), seen_bytes("little"))]
    (value,) = decode_entries(declared, spec.btf, entries, "little").values()
    assert (value.packets, value.shape, value.label) == (7, [[1, -2], [3, -4]], "arp")
    key = FrozenRecord({"pid": 7, "slot": 3})
    for one in (value, key):
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        with pytest.raises(AttributeError, match=r"there is no member nothing, but (packets|pid)"):
            _ = again.nothing
    assert (key.pid, key.slot) == (7, 3)


@pytest.mark.parametrize(("name", "endian"), [("xdp_actions.o", "little"), ("xdp_actions_big.o", "big")])
def test_a_struct_of_most_kinds_of_member(name: str, endian: str) -> None:
    spec = read_object(OBJECTS / name)
    one = spec.maps["by_family"]
    assert spec.endian == endian
    expected = dict(SEEN)
    if endian == "big":
        expected |= {"octets": [1, 2, 3, 4], "first": 0x0102, "second": 0x0304}
    key = (2).to_bytes(4, "little" if endian == "little" else "big")
    contents = decode_entries(one, spec.btf, [(key, seen_bytes(endian))], endian)
    assert contents == {2: expected}
    assert list(contents[2]) == list(SEEN)
    assert encode_entries(one, spec.btf, contents, endian) == [(key, seen_bytes(endian))]
    document = json.loads(json.dumps([{"key": to_json(k), "value": to_json(v)} for k, v in contents.items()]))
    assert encode_entries(one, spec.btf, from_json(document), endian) == [(key, seen_bytes(endian))]


def test_without_btf_contents_are_bytes_and_hex_text() -> None:
    one = MapSpec("m", "array", 4, 6, 1)
    entries: Any = [(b"\0\0\0\1", b"abcdef")]
    contents = decode_entries(one, None, entries, "little")
    assert contents == {b"\0\0\0\1": b"abcdef"}
    assert to_json(contents[b"\0\0\0\1"]) == "616263646566"
    assert encode_entries(one, None, contents, "little") == entries
    assert encode_entries(one, None, {"00000001": "61 62 63 64 65 66"}, "little") == entries


def test_a_per_cpu_value_is_a_list() -> None:
    btf = Btf()
    word = btf.add_int("u16", 2)
    one = MapSpec("m", "array", 4, 2, 1, value_type=word)
    assert decode_entries(one, btf, [(b"\0\0\0\0", [b"\1\0", b"\2\0"])], "little") == {bytes(4): [1, 2]}


def test_a_struct_key_is_hashable_and_equals_a_dict() -> None:
    btf = Btf()
    word = btf.add_int("u16", 2)
    pair = btf.add_struct("pair", 6, [("a", word, 0), ("b", btf.add_array(word, 2), 2)])
    one = MapSpec("m", "array", 6, 2, 1, key_type=pair, value_type=word)
    contents = decode_entries(one, btf, [(b"\1\0\2\0\3\0", b"\4\0")], "little")
    assert contents == {FrozenRecord({"a": 1, "b": (2, 3)}): 4}
    (key,) = contents
    assert key == {"a": 1, "b": (2, 3)}
    assert len(key) == 2
    assert to_json(key) == {"a": 1, "b": [2, 3]}
    assert encode_entries(one, btf, contents, "little") == [(b"\1\0\2\0\3\0", b"\4\0")]


def shape(make: Any, endian: str = "little") -> Any:
    btf = Btf()
    number = make(btf)
    return shape_of(btf, number, btf.size_of(number), endian)


def test_text_ends_at_its_first_nul_and_is_numbers_where_it_is_none() -> None:
    text = shape(lambda btf: btf.add_array(btf.add_typedef("c", btf.add_int("char", 1, is_signed=True)), 4))
    assert text.show(b"ab\0d") == "ab"
    assert text.show(b"abcd") == "abcd"
    assert text.show(b"a\xff\0\0") == [97, 255, 0, 0]
    assert text.parse("é", "v") == "é".encode() + b"\0\0"
    assert text.parse([97, 255, 0, 0], "v") == b"a\xff\0\0"
    assert text.parse(b"ab\0d", "v") == b"ab\0d"
    for bad in ("abcde", "a\0", "\ud800", 7, [1, 2], [1, 2, 3, 256], b"abc"):
        with pytest.raises(LoadError, match=r"^v"):
            text.parse(bad, "v")


def test_bool_and_float() -> None:
    truth = shape(lambda btf: btf.add_int("_Bool", 1, is_bool=True))
    assert [truth.show(bytes([one])) for one in (0, 1, 2)] == [False, True, 2]
    assert [truth.parse(one, "v") for one in (False, True, 2)] == [b"\0", b"\1", b"\2"]
    real = shape(lambda btf: btf.add_float("double", 8), "big")
    assert real.show(real.parse(-2.5, "v")) == -2.5
    endless = struct.pack(">d", float("inf"))
    assert real.show(endless) == endless
    assert real.parse(to_json(endless), "v") == endless
    single = shape(lambda btf: btf.add_float("float", 4))
    for bad in (1e300, 10**400, True, [1.0]):
        with pytest.raises(LoadError, match=r"^v"):
            single.parse(bad, "v")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"packets": -1}, r"map by_family\[0\].packets: -1 is not from 0 to 18446744073709551615"),
        ({"balance": 1 << 31}, "balance: 2147483648 is not from -2147483648 to 2147483647"),
        ({"packets": 1 << 20000}, "packets: an integer of 20001 bits is not from 0 to 18446744073709551615"),
        ({"packets": True}, "packets: True is not an integer"),
        ({"packets": 1.5}, "packets: 1.5 is not an integer"),
        ({"pakets": 1}, "there is no member 'pakets'; the members are packets, bytes, family"),
        ({"priority": 32}, "priority: 32 is not from 0 to 31"),
        ({"label": "much too long"}, "label: 'much too long' is not text of at most 8 bytes"),
        ({"octets": [1, 2, 3]}, "octets: .* is not a list of 4 elements"),
        ({"shape": [[1, 2], [3, "x"]]}, r"shape\[1\]\[1\]: 'x' is not hex text of 2 bytes"),
        ({"word": 1, "octets": [2, 0, 0, 0]}, "another member of one union say different bytes"),
        ([1], "is not an object with packets, bytes"),
        ("00", "1 byte, and it has 48"),
        (None, "None is not an object"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, reason: str) -> None:
    spec = read_object(OBJECTS / "xdp_actions.o")
    with pytest.raises(LoadError, match=reason) as caught:
        encode_entries(spec.maps["by_family"], spec.btf, {0: value}, "little")
    assert str(caught.value).isprintable()


def test_members_that_are_not_given_are_0() -> None:
    spec = read_object(OBJECTS / "xdp_actions.o")
    ((_, data),) = encode_entries(spec.maps["by_family"], spec.btf, {0: {"second": 1}}, "little")
    assert data == bytes(34) + b"\1" + bytes(13)


@pytest.mark.parametrize(
    "document", [{}, [1], [{"key": 1}], [{"key": 1, "value": 1, "more": 1}], [{"key": 1, "value": 1}] * 2]
)
def test_other_documents_are_named(document: Any) -> None:
    with pytest.raises(LoadError, match=r"^m\.json: "):
        from_json(document, "m.json")


def test_types_that_cannot_be_shown_are_bytes() -> None:
    endless = Btf([types.Struct("s", 8, (types.Member("s", 1, 0),)), types.Int("int", 4, 32)])
    assert shape_of(endless, 1, 8, "little").show(bytes(8)) == {"s": bytes(8)}
    outside = Btf([types.Struct("s", 8, (types.Member("a", 2, 40),)), types.Int("int", 4, 32)])
    assert shape_of(outside, 1, 8, "little") == Raw(8)
    nothing = Btf([types.Struct("s", 0, ()), types.Array(1, 3, 1 << 31), types.Int("int", 4, 32)])
    assert shape_of(nothing, 2, 0, "little") == Raw(0)
    levels = [types.Union(f"u{n}", 4, tuple(types.Member(f"m{k}", n + 2, 0) for k in range(9))) for n in range(20)]
    explosive = Btf([*levels, types.Int("int", 4, 32)])
    shown = json.dumps(to_json(shape_of(explosive, 1, 4, "little").show(bytes(4))))
    assert len(shown) < 1 << 21
    for kind in (types.Func("f", 1), types.Fwd("f"), types.Int("odd", 4, 7), types.Int("none", 0, 0)):
        assert shape_of(Btf([kind]), 1, 4, "little") == Raw(4)
    assert shape_of(Btf([types.Int("int", 4, 32)]), 1, 3, "little") == Raw(3)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=48, max_size=48), st.sampled_from(["xdp_actions.o", "xdp_actions_big.o"]))
def test_any_bytes_are_shown_and_come_back_but_for_padding_and_text(data: bytes, name: str) -> None:
    spec = read_object(OBJECTS / name)
    one = spec.maps["by_family"]
    assert one.value_size == 48
    found = shape_of(spec.btf, one.value_type, 48, spec.endian)
    shown = to_json(found.show(data))
    again = found.parse(json.loads(json.dumps(shown)), "v")
    assert to_json(found.show(again)) == shown
    assert again[:24] == data[:24]
    assert again[32:46] == data[32:46]


def test_an_element_is_found_by_its_key_in_any_form() -> None:
    btf = Btf((
        types.Int("int", 4, 32), types.Typedef("be32", 1),
        types.Struct("end", 8, (types.Member("address", 2, 0), types.Member("port", 1, 32))),
    ))  # fmt: skip
    one = MapSpec("m", "hash", 8, 4, 1, key_type=3, value_type=1)
    data = struct.pack(">I", 0x0A000001) + struct.pack("<I", 53)
    contents = decode_entries(one, btf, [(data, b"\7\0\0\0")], "little")
    assert contents == {FrozenRecord({"address": 0x0A000001, "port": 53}): 7}
    for key in ({"address": 0x0A000001, "port": 53}, data, bytearray(data), next(iter(contents))):
        assert contents[key] == 7
        assert key in contents
        assert contents.get(key) == 7
    assert {"address": 1, "port": 53} not in contents
    assert contents.get({"address": 1}) is None
    with pytest.raises(KeyError):
        contents[{"other": 1}]
    assert pickle.loads(pickle.dumps(contents))[data] == 7
    assert encode_entries(one, btf, [(data, 7)], "little") == encode_entries(one, btf, contents, "little")
    wrong: Any
    for wrong in ([1, 2], 7, "text"):
        with pytest.raises(UsageError, match=r"map m: its contents are \{key: value\} or pairs of them, not "):
            encode_entries(one, btf, wrong, "little")


def test_networks_are_keys_of_a_trie() -> None:
    trie = MapSpec("nets", "lpm_trie", 8, 1, 4, flags=1)
    network = ipaddress.ip_network("10.0.0.0/8")
    for key in ("10.0.0.0/8", network, (8, "10.0.0.0"), bytes((8, 0, 0, 0, 10, 0, 0, 0))):
        assert encode_entries(trie, None, {key: b"\1"}, "little") == [(bytes((8, 0, 0, 0, 10, 0, 0, 0)), b"\1")]
    for wrong in ("10.0.0.1/8", "fd00::/8", (33, "10.0.0.0")):
        with pytest.raises(UsageError, match=r"map nets\[.* key: "):
            encode_entries(trie, None, {wrong: b"\1"}, "little")


def test_variables_of_a_data_section_are_given_by_name() -> None:
    btf = Btf((
        types.Int("int", 4, 32), types.Var("limit", 1, 1), types.Var("rate", 1, 1),
        types.DataSec(".rodata", 8, (types.SecVar(2, 0, 4), types.SecVar(3, 4, 4))),
    ))  # fmt: skip
    given: dict[Any, Any] = {"rate": 5}
    one = MapSpec(".rodata", "array", 4, 8, 1, value_type=4, initial=bytes((7, 0, 0, 0, 6, 0, 0, 0)))
    assert encode_entries(one, btf, given, "little") == [(bytes(4), bytes((7, 0, 0, 0, 5, 0, 0, 0)))]
    assert encode_entries(one, btf, {"00000000": bytes(8)}, "little") == [(bytes(4), bytes(8))]
    shown = decode_entries(one, btf, [(bytes(4), bytes((7, 0, 0, 0, 5, 0, 0, 0)))], "little")
    assert shown == {"limit": 7, "rate": 5}
    assert (shown["rate"], "limit" in shown, 0 in shown, list(shown)) == (5, True, False, ["limit", "rate"])
    assert encode_entries(one, btf, shown, "little") == [(bytes(4), bytes((7, 0, 0, 0, 5, 0, 0, 0)))]
    with pytest.raises(LoadError, match=r"map \.rodata has no variable 'rat'; it has limit, rate"):
        encode_entries(one, btf, {"rat": 5}, "little")
    with pytest.raises(LoadError, match=r"map \.rodata\['rate'\]: 'x' is not hex text of 4 bytes"):
        encode_entries(one, btf, {"rate": "x"}, "little")


def test_a_section_that_holds_more_than_variables_is_bytes() -> None:
    """What stands between them would be lost."""
    btf = Btf((
        types.Int("int", 4, 32), types.Var("limit", 1, 1), types.DataSec(".rodata", 80, (types.SecVar(2, 0, 4),)),
    ))  # fmt: skip
    one = MapSpec(".rodata", "array", 4, 80, 1, value_type=3, initial=bytes(80))
    data = bytes(range(80))
    assert decode_entries(one, btf, [(bytes(4), data)], "little") == {bytes(4): data}


@pytest.mark.parametrize("name", ["data_mixed.o", "data_mixed_v4.o", "data_mixed_dwarf.o"])
def test_variables_of_compiled_objects_have_names(name: str) -> None:
    program = load(str(OBJECTS / name)).programs["ingress"]
    out = program.emulate(bytes(60), engine="interp")
    assert out.maps[".data"] == {"sum": 40 + 180}
    assert out.maps[".bss"] == {"runs": 1}
    assert out.maps[".rodata"]["step"] == 3
    again = program.emulate(bytes(60), engine="interp", maps={**out.maps, ".rodata": {"step": 1}})
    assert (again.maps[".data"], again.maps[".bss"]["runs"]) == ({"sum": 280}, 2)


@pytest.mark.parametrize("kind", ["queue", "stack"])
def test_values_without_keys_are_numbered(kind: str) -> None:
    """All but the last were lost: they had one key."""
    one = MapSpec("m", kind, 0, 2, 4)
    entries = [(b"", b"\1\0"), (b"", b"\2\0")]
    contents = decode_entries(one, None, entries, "little")  # type: ignore[arg-type]
    assert contents == {0: b"\1\0", 1: b"\2\0"}
    given: Any
    for given in (
        contents,
        entries,
        [b"\1\0", "0200"],
        from_json([{"key": 5, "value": "0100"}, {"key": 6, "value": "0200"}]),
    ):
        assert encode_entries(one, None, given, "little") == entries
    for given in (7, "text", None):
        with pytest.raises(UsageError, match="map m: its contents are a list, in the order"):
            encode_entries(one, None, given, "little")


@pytest.mark.parametrize(("kind", "listed"), [("array", [7, 8]), ("percpu_array", [[7], [8]])])
def test_an_array_is_given_as_a_list(kind: str, listed: list[Any]) -> None:
    btf = Btf((types.Int("int", 4, 32),))
    one = MapSpec("m", kind, 4, 4, 2, key_type=1, value_type=1)
    assert encode_entries(one, btf, listed, "little") == encode_entries(one, btf, dict(enumerate(listed)), "little")
    with pytest.raises(UsageError, match=r"contents are \{key: value\} or pairs of them, or a list by index, not int"):
        encode_entries(one, btf, cast("Any", 7), "little")
