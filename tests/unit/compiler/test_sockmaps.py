"""Maps of sockets, and what stands in maps from the start: on every machine, in objects, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import (
    Array,
    CpuMap,
    DevMap,
    Hash,
    HashOf,
    ProgArray,
    Program,
    Queue,
    SockHash,
    SockMap,
    UsageError,
    bpf,
    char,
    u8,
    u32,
    u64,
)
from bpfvm.core.errors import LoadError
from bpfvm.obj.reader.object import parse_object
from bpfvm.obj.writer.object import write_object
from tests.engines import EMULATORS
from tests.programs import contents, tails

socks = SockMap(4, name="socks", contents={2: 9})
named = SockHash(char[4], 8, name="named")  # type: ignore[misc, valid-type]
nums = SockHash(u32, 8, name="nums", contents={31: 5})
STANDING: dict[str, dict[Any, Any]] = {"socks": {0: 5, 1: 6}, "named": {"ab": 9}}


@bpf.sk_skb("verdict")
def verdict(skb: Any) -> int:
    """Data of a stream goes on to another socket."""
    if skb.len == 30:
        return named.redirect("ab")
    if skb.len == 31:
        return nums.redirect(skb.len, ingress=True)
    return socks.redirect(skb.len & 3)


@bpf.sk_msg
def message(msg: Any) -> int:
    """What a socket sends goes to another one."""
    if msg.size == 4:
        return named.redirect(b"ab", True)
    return socks.redirect(msg.size)


@bpf.sock_ops
def entered(ops: Any) -> int:
    """A connection goes into maps of sockets: BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB."""
    if ops.op == 4:
        bpf.helper.sock_map_update(ops, socks, ops.local_port & 3, 0)
        return int(bpf.helper.sock_hash_update(ops, nums, ops.local_port, 1) == 0)
    return 1


@bpf.sk_reuseport
def chosen(r: Any) -> int:
    """Which socket of a port gets a packet."""
    if r.len > 40:
        return int(socks.select(3) == -2)
    if r.len > 30:
        return int(nums.select(31) == 0)
    return int(named.select("ab") == 0)


CASES: tuple[tuple[Program, int, int, str | None, int], ...] = (
    # program, bytes, result and target with sockets in all maps, result with those from the start alone
    (verdict, 30, 1, "sockhash named[61620000]", 0),
    (verdict, 31, 1, "sockhash nums[1f000000] ingress", 1),
    (verdict, 32, 1, "sockmap socks[0]", 0),
    (verdict, 33, 1, "sockmap socks[1]", 0),
    (verdict, 34, 1, "sockmap socks[2]", 1),
    (verdict, 35, 0, None, 0),
    (chosen, 24, 1, "sockhash named[61620000]", 0),
    (chosen, 35, 1, "sockhash nums[1f000000]", 1),
    (chosen, 50, 1, None, 1),
)


@pytest.mark.parametrize(("program", "size", "value", "target", "alone"), CASES)
def test_sockets(program: Program, size: int, value: int, target: str | None, alone: int) -> None:
    known = {name: one for name, one in STANDING.items() if name in program.object.maps}
    given = (bytes(size),) if program is verdict else ()
    ctx = {"len": size} if program is chosen else None
    outcome = program.check(*given, maps=known, ctx=ctx)
    assert (outcome.value, outcome.redirect) == (value, target)
    assert len(outcome.engines) > len(EMULATORS)
    assert program.check(*given, ctx=ctx).value == alone


@pytest.mark.parametrize(("size", "value"), [(1, 1), (2, 1), (3, 0), (4, 1), (5, 0)])
def test_messages(size: int, value: int) -> None:
    outcome = message.check(ctx={"size": size}, maps=STANDING)
    assert (outcome.value, len(outcome.engines) > len(EMULATORS)) == (value, True)


@pytest.mark.parametrize("program", [contents.contents_of_all, contents.contents_of_targets, tails.dispatched, verdict])
def test_what_stands_in_maps_is_in_the_file(program: Any) -> None:
    """By our own note, and programs as other loaders have them."""
    spec = (program if isinstance(program, Program) else bpf.function(program)).object
    read = parse_object(write_object(spec))
    filled = {name: one.entries for name, one in spec.maps.items() if one.entries}
    jumps = {name: one.contents for name, one in spec.maps.items() if one.contents}
    assert filled or jumps
    assert {name: read.maps[name].entries for name in filled} == filled
    assert {name: read.maps[name].contents for name in jumps} == jumps


DAMAGES = [(b'"00000000"', b'"0000000g"'), (b'"00000000"', b'"00000100"'), (b'"fbff"', b"[fbff]")]


@pytest.mark.parametrize("change", DAMAGES)
def test_a_damaged_note_is_refused(change: tuple[bytes, bytes]) -> None:
    data = write_object(bpf.function(contents.contents_of_all).object)
    assert change[0] in data
    damaged = data.replace(change[0], change[1].ljust(len(change[0])), 1)
    try:
        parse_object(damaged)
    except LoadError as error:
        assert "does not fit this object" in str(error)  # noqa: PT017
    else:
        assert change[1] == b'"00000100"'  # another key


inner = Array(u64, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Array(u64, 2, contents=[1, 2, 3]), "index 2 is outside"),
        (lambda: Array(u64, 2, contents={"a": 1}), "must be an integer"),  # type: ignore[dict-item]
        (lambda: Array(u64, 2, percpu=True, contents=[1]), "each CPU has a value"),
        (lambda: Hash(u8, u64, 2, contents={256: 1}), "does not fit u8"),
        (lambda: Hash(u32, u64, 1, contents={1: 1, 2: 2}), "2 contents, and max_entries is 1"),
        (lambda: Hash(u32, u64, contents={1: "x"}), "contents: "),
        (lambda: Queue(u32, 1, contents=[1, 2]), "2 contents, and max_entries is 1"),
        (lambda: DevMap(4, contents={4: 1}), "index 4 is outside of it"),
        (lambda: CpuMap(4, contents={0: "all"}), "'all' is no number that fits u32"),
        (lambda: SockHash(u8, 4, contents={300: 1}), "does not fit u8"),
        (lambda: HashOf(u64, inner, 4, {1: inner}), "maps stand from the start under keys of 32 bits"),
        (lambda: HashOf(u32, inner, 1, {1: inner, 2: inner}), "2 contents, and max_entries is 1"),
        (lambda: ProgArray(4, {4: verdict}), "index 4 is outside of it"),
        (lambda: ProgArray(4, {0: len}), "programs of decorated functions stand in it"),  # type: ignore[dict-item]
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_map(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_programs_stand_in_an_array_before_one_is_compiled_with_it() -> None:
    assert tails.dispatched.object.maps["stages"].contents
    with pytest.raises(UsageError, match="a program was compiled with it"):
        tails.stages[1] = tails.second


def test_programs_of_two_kinds_do_not_load() -> None:
    both = ProgArray(2, name="both")

    @bpf.xdp
    def one(ctx: Any) -> int:
        both.call(ctx, 0)
        return 2

    both[0] = tails.second
    both[1] = verdict
    with pytest.raises(LoadError, match="is a program of type sk_skb, and those that stand there are xdp"):
        one.emulate(bytes(64), engine="interp")
