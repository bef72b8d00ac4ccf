"""The names that bpfvm promises: each is there, or says of itself that it is not in this version."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bpfvm
from bpfvm import XDP_PASS, Array, Counter, Hash, Unavailable, UsageError, be16, be32, bpf, pkt, struct, u32, u64
from bpfvm.testing.frames import ethernet, ipv4, udp

ROOT = Path(__file__).resolve().parents[2]

hits = Array(u64, 256)


@bpf.xdp
def count(ctx: Any) -> int:
    hits[pkt.ip.proto] += 1
    return XDP_PASS


@bpf.function
def total(a: u32, b: u64) -> u64:
    return a + b


@struct
class Peer:
    address: be32
    port: be16


@struct
class Traffic:
    packets: u64
    first: u64


traffic = Hash(Peer, Traffic)
hosts = Counter(be32)


@bpf.xdp
def peers(ctx: Any) -> int:
    hosts[pkt.ip.src] += 1
    key = Peer(address=pkt.ip.src, port=pkt.ip.udp.dport)
    if key not in traffic:
        traffic[key] = Traffic(packets=0, first=0)
    traffic[key].packets += 1
    return XDP_PASS


FRAME_OF_PEER = ethernet(ipv4(udp(dport=53), src="10.0.0.1"))
FRAME = bytes(23) + b"\x06" + bytes(40)

IMPORTED = """
bpf pkt struct u8 u16 u32 u64 s8 s16 s32 s64 be16 be32 be64 char
Array Hash Counter Histogram Ring PerfEvents StackTrace LpmTrie ProgArray
load session Object Program Outcome CompileError LoadError VerifierReject Mismatch Unavailable BpfvmError
"""
DECORATORS = "xdp tc socket cgroup_skb tracepoint kprobe uprobe uretprobe function"
CALLS = "map socket uprobe tracelog dump attach run"
OF_A_PROGRAM = "cpython emulate kernel check attach object verify disasm diagnose report session"
OF_AN_OUTCOME = "value action packet maps trace ctx events redirect fault insns"


def held(owner: Any, name: str) -> bool:
    """Whether `owner` has `name`; where not, the error has to say so in words that name it."""
    try:
        getattr(owner, name)
    except AttributeError as error:
        assert f"has no {name!r} in this version" in str(error)  # noqa: PT017
        return False
    return True


@pytest.mark.parametrize(
    ("owner", "names", "least"),
    [
        (bpfvm, IMPORTED, 27),
        (bpf, f"{DECORATORS} {CALLS}", 2),
        (count, OF_A_PROGRAM, 10),
        (count.emulate(FRAME), OF_AN_OUTCOME, 10),
        (bpfvm.load(str(ROOT / "tests/objects/xdp_count.o")), "programs maps install", 3),
        (total.emulate(1, 2), OF_AN_OUTCOME, 10),
    ],
    ids=["bpfvm", "bpf", "Program", "Outcome", "Object", "Outcome of scalars"],
)
def test_a_name_is_there_or_says_that_it_is_not(owner: Any, names: str, least: int) -> None:
    there = [name for name in names.split() if held(owner, name)]
    missing = [name for name in names.split() if name not in there]
    print(f"{len(there)} names; not in this version: {' '.join(missing) or 'none'}")
    assert len(there) >= least


@pytest.mark.parametrize("name", IMPORTED.split())
def test_an_import_says_so_too(name: str) -> None:
    try:
        exec(f"from bpfvm import {name}")
    except ImportError as error:
        assert f"bpfvm has no {name!r} in this version" in str(error)  # noqa: PT017


def test_an_import_of_a_module_is_none_of_a_name() -> None:
    exec("import sys; sys.modules.pop('bpfvm.isa.doc', None); from bpfvm.isa import doc; from bpfvm import isa")


def test_what_is_misspelled_is_guessed() -> None:
    with pytest.raises(AttributeError, match="has no 'Aray' in this version; did you mean Array"):
        bpfvm.Aray  # noqa: B018


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ReuseportArray", r"the nearest names are ProgArray, .*CgroupArray; dir\(bpfvm\) lists all"),
        ("zzzzz", r"dir\(bpfvm\) lists all"),
        ("hash", r"did you mean Hash\?"),
        ("xdp", r"write bpf\.xdp"),
        ("ethernet", r"write from bpfvm\.testing\.frames import ethernet"),
        ("PercpuHash", r"write Hash\(…, percpu=True\)"),
    ],
)
def test_what_is_not_here_is_short_and_says_where_to_look(name: str, told: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(f"from bpfvm import {name}")
    assert re.match(rf"bpfvm has no '{name}' in this version; {told}", str(caught.value)), caught.value
    assert len(str(caught.value)) < 150


def test_call_forms() -> None:
    """bpf(lambda …) and bpf("text") make a socket filter, as in the original, unless they say another program."""
    for given in ("lambda: 1", lambda: 1):
        assert bpf(given).type.name == "socket_filter"
        assert bpf(given).emulate(bytes(20)).value == 1
        assert bpf(given, type="xdp").emulate(bytes(20)).action == "XDP_DROP"
    for kind in ("sock_addr", "lwt"):
        with pytest.raises(UsageError, match=f"type='{kind}'.: there are function, xdp, tc"):
            bpf(lambda: 1, type=kind)
    with pytest.raises(Unavailable, match=r"bpf\(2\) is switched off by BPFVM_KERNEL=off"):
        bpf.socket("lo", lambda skb: skb.len)
    with pytest.raises(Unavailable, match=r"bpf\(2\) is switched off by BPFVM_KERNEL=off"):
        bpf.uprobe("c:malloc", lambda: 0, False, -1, 0)
    with pytest.raises(UsageError, match="makes no function"):
        bpf("7")


def test_programs_of_texts() -> None:
    made = bpf("def half(a: u32) -> u32:\n    assert a < 100\n    return a // 2\n")
    assert made.check(9).value == 4
    assert made.check(100).fault is not None
    assert bpf("@bpf.function\ndef f(a: s64) -> s64:\n    return -a").check(5).value == -5
    assert bpf("lambda ctx: pkt.eth.type", type="xdp").check(bytes(12) + b"\x08\x00").value == 0x800


def test_the_text_of_a_function_that_has_none() -> None:
    space: dict[str, Any] = {"u32": bpfvm.u32}
    text = "def f(a: u32, b: u32) -> u32:\n    c = a % 7\n    return c // b\n"
    exec("\n\n" + text, space)
    with pytest.raises(bpfvm.CompileError, match="E002"):
        bpf(space["f"]).check(5, 3)
    made = bpf(space["f"], source=text)
    assert made.check(12, 3).value == 1
    fault = made.check(12, 0).fault
    assert fault is not None
    assert (fault.kind, fault.line) == ("ZeroDivisionError", 5)
    with pytest.raises(bpfvm.CompileError, match="E001"):
        bpf(space["f"], source=text.replace("7", "8")).check(5, 3)
    with pytest.raises(bpfvm.CompileError, match="E001"):
        bpf(space["f"], source="x = (").check(5, 3)


@pytest.mark.parametrize("run", [total.cpython, total.emulate, total.check])
def test_a_function_of_scalars_runs_on_each_machine(run: Callable[..., bpfvm.Outcome]) -> None:
    assert run(3, 4).value == 7


@pytest.mark.parametrize("run", [count.cpython, count.emulate, count.check])
def test_a_packet_is_anything_that_bytes_takes(run: Callable[..., bpfvm.Outcome]) -> None:
    class Frame:
        def __bytes__(self) -> bytes:
            return FRAME

    for given in (FRAME, bytearray(FRAME), memoryview(FRAME), Frame(), list(FRAME)):
        outcome = run(given)
        assert (outcome.action, outcome.value, outcome.packet) == ("XDP_PASS", 2, FRAME)
        assert outcome.maps == {"hits": {index: int(index == 6) for index in range(256)}}


def test_machines_start_from_equal_state() -> None:
    assert count.check(FRAME, maps={"hits": {6: 4}}).maps["hits"][6] == 5
    assert count.check(FRAME).maps["hits"][6] == 1
    with bpfvm.session(count) as runs:
        assert [runs.run(FRAME).maps["hits"][6] for _ in range(3)] == [1, 2, 3]


def test_structs_are_keys_and_values_of_maps() -> None:
    key = Peer(address=0x0A000001, port=53)
    given: list[Any] = [{key: Traffic(packets=5, first=9)}, [(key, {"packets": 5, "first": 9})]]
    for before in given:
        outcome = peers.check(FRAME_OF_PEER, maps={"traffic": before})
        found = outcome.maps["traffic"]
        assert found == {key: {"packets": 6, "first": 9}} == found
        assert found == {key: Traffic(packets=6, first=9)}
        assert found != {key: Traffic(packets=6, first=0)}
        assert found != {Peer(address=0, port=53): Traffic(packets=6, first=9)}
        assert outcome.maps["traffic"][key]["packets"] == 6
        assert outcome.maps["traffic"][{"address": 0x0A000001, "port": 53}]["packets"] == 6
        assert outcome.maps["hosts"] == {0x0A000001: 1}
    assert peers.check(FRAME_OF_PEER).maps["traffic"][key] == {"packets": 1, "first": 0}


def test_exceptions_are_of_one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    for name in ("CompileError", "LoadError", "VerifierReject", "Mismatch", "Unavailable"):
        assert issubclass(getattr(bpfvm, name), bpfvm.BpfvmError)
    assert issubclass(bpfvm.CompileError, SyntaxError)
    with pytest.raises(Unavailable) as told:
        count.kernel(FRAME)
    assert told.value.reason == str(told.value)


def test_the_packet_is_known_without_an_import() -> None:
    made = bpf(bpf.exec("def f(ctx):\n    return pkt.eth.type\n")["f"], type="xdp")
    assert made.check(bytes(12) + b"\x08\x06").value == 0x806
    assert [one.code for one in made.compiled.warnings] == ["W101"]
    assert not hasattr(builtins, "pkt")


def test_dumps_of_programs(tmp_path: Path) -> None:
    made = bpf(lambda skb: skb.len & 7)
    data = bpf.dump(made, tmp_path / "made.o")
    assert data == bpf.dump(made) == (tmp_path / "made.o").read_bytes()
    (program,) = bpfvm.load(str(tmp_path / "made.o")).programs.values()
    assert (program.type.name, program.emulate(bytes(21)).value) == ("socket_filter", 5)
    with pytest.raises(UsageError, match="takes a program"):
        bpf.dump(len)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot write"):
        bpf.dump(made, tmp_path)


def test_the_trace_log_is_a_reader(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with bpf.tracelog(pipe) as log:
        with pipe.open("w") as writer:
            writer.write("  task-12      [001] d..31    5.25: bpf_trace_printk: six\n")
        assert [(line.task, line.pid, line.message) for line in log.poll(0)] == [("task", 12, "six")]
