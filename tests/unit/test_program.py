"""Programs as users hold them: runs, checks, inputs, objects, and how each refusal reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import bpfvm
from bpfvm import XDP_DROP, XDP_PASS, Array, Mismatch, Program, Unavailable, UsageError, bpf, pkt, u32, u64
from bpfvm.isa import ops
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import insn
from bpfvm.lang.active import running
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.program import Object
from bpfvm.tables import sections

ROOT = Path(__file__).resolve().parents[2]
COUNT = str(ROOT / "tests/objects/xdp_count.o")

seen = Array(u64, 8, name="seen_lengths")


@bpf.xdp(on_fault=XDP_DROP)
def lengths(ctx: Any) -> int:
    """Count packets by length, shared out over eight slots."""
    seen[len(pkt) % 8] += ctx.ingress_ifindex
    if pkt.ip.ttl == 0:
        return XDP_DROP
    return XDP_PASS


@bpf.function
def scaled(a: u32, b: u64) -> u64:
    return a * 3 + b


FRAME = bytes(22) + b"\x40" + bytes(41)


@pytest.mark.parametrize("run", [lengths.cpython, lengths.emulate, lengths.check])
def test_a_packet_program(run: Any) -> None:
    outcome = run(FRAME, ctx={"ingress_ifindex": 5}, maps={"seen_lengths": {0: 2}})
    assert (outcome.value, outcome.action, outcome.fault) == (XDP_PASS, "XDP_PASS", None)
    assert outcome.packet == FRAME
    assert outcome.maps["seen_lengths"][0] == 7
    assert run(FRAME).maps["seen_lengths"][0] == 1  # afresh, from the default context


@pytest.mark.parametrize("run", [lengths.cpython, lengths.emulate, lengths.check])
def test_a_fault_ends_the_run_with_its_value_and_keeps_what_was_done(run: Any) -> None:
    outcome = run(b"short")
    assert outcome.action == "XDP_DROP"
    assert outcome.fault.kind == "PacketError"
    assert outcome.fault.source.line == lengths.function.__code__.co_firstlineno + 4  # type: ignore[union-attr]
    assert outcome.maps["seen_lengths"][5] == 1


def test_a_session_keeps_maps() -> None:
    for name in ("cpython", "interp"):
        with lengths.session(name) as session:
            for _ in range(3):
                session.run(lengths.input((FRAME,)))
            assert session.maps()["seen_lengths"][0] == 3


def test_functions_of_scalars() -> None:
    assert scaled.check(5, 2**64 - 1).value == 14
    assert scaled(5, 6) == 21
    assert type(scaled.cpython(1, 1).value) is int


def any_(given: object) -> Any:
    """Input of another type than the signature says."""
    return given


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lengths.emulate(), UsageError, "lengths takes one packet, got 0 arguments"),
        (lambda: lengths.emulate(5), UsageError, "takes a packet, something that bytes() accepts, not 5"),
        (lambda: lengths.emulate("text"), UsageError, "something that bytes() accepts, not 'text'"),
        (lambda: lengths.emulate([300]), UsageError, "something that bytes() accepts, not [300]"),
        (lambda: lengths.emulate(Path("a.pcap")), UsageError, "something that bytes() accepts, not "),
        (
            lambda: lengths.emulate(FRAME, maps={"other": {}}),
            UsageError,
            "there is no map 'other'; the maps are seen_lengths",
        ),
        (
            lambda: lengths.check(FRAME, maps={"other": {}}),
            UsageError,
            "there is no map 'other'; the maps are seen_lengths",
        ),
        (
            lambda: lengths.emulate(FRAME, maps=any_([1])),
            UsageError,
            "maps=[1]: the contents of maps are given as {name: ",
        ),
        (
            lambda: lengths.emulate(FRAME, ctx=any_([1])),
            UsageError,
            "ctx=[1]: the context's fields are given as {name: ",
        ),
        (
            lambda: lengths.emulate(FRAME, ctx=any_({"ingress_ifindex": "lo"})),
            UsageError,
            "xdp_md.ingress_ifindex is a number, not 'lo'",
        ),
        (
            lambda: lengths.emulate(FRAME, helpers=any_([1])),
            UsageError,
            "helpers=[1]: functions for helpers are given as",
        ),
        (
            lambda: bpfvm.session(any_("prog.o")),
            UsageError,
            "a session is of a program, of a decorated function or an ",
        ),
        (lambda: bpfvm.session(lengths).map("other"), UsageError, "a map 'other'; its maps are seen_lengths"),
        (lambda: lengths.emulate(FRAME, engine="fast"), UsageError, "there is no engine 'fast'"),
        (lambda: scaled.emulate(1), UsageError, "scaled takes (a: u32, b: u64), got 1 arguments"),
        (lambda: scaled.emulate(1, 2.5), UsageError, "b takes an integer, not 2.5"),
        (lambda: bpf.xdp(3), UsageError, "a plain Python function, not of 3"),  # type: ignore[call-overload]
        (lambda: bpf.kprob, AttributeError, "bpf has no 'kprob' in this version"),  # type: ignore[attr-defined]
        (lambda: bpfvm.load(COUNT).ingress, AttributeError, "no attribute 'ingress'; its .programs are count"),  # type: ignore[attr-defined]
        (lambda: bpfvm.Arena, AttributeError, "bpfvm has no 'Arena' in this version"),
        (lambda: bpfvm.load(COUNT).programs["nope"], KeyError, "there is no program 'nope'; the programs are count"),
        (lambda: bpfvm.load(COUNT).maps["nope"], KeyError, "there is no map 'nope'; the maps are hits"),
        (lambda: lengths.emulate(FRAME).maps["nope"], KeyError, "there is no map 'nope'; the maps are seen_lengths"),
        (lambda: bpfvm.load(str(ROOT / "README.md")), bpfvm.LoadError, "README.md"),
    ],
)
def test_refusals_say_what_to_do(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize(("name", "given"), [("clock", "1s"), ("clock", 2.5), ("seed", None), ("cpu", "0")])
def test_what_a_session_is_set_to_is_a_number(name: str, given: Any) -> None:
    with bpfvm.session(lengths) as runs:
        setattr(runs, name, given)
        with pytest.raises(UsageError, match=re.escape(f"lengths: {name} is {given!r}, and must be a whole number")):
            runs.run(FRAME)


def test_the_kernel_says_why_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    with pytest.raises(Unavailable, match=r"engine kernel: .*BPFVM_KERNEL"):
        lengths.kernel(FRAME)
    assert [one for one in lengths.check(FRAME).engines if one != "native"] == ["cpython", "interp", "portable"]


def test_an_object_file() -> None:
    found = bpfvm.load(str(ROOT / "tests/objects/xdp_count.o"))
    assert list(found.programs) == ["count"]
    assert found.maps["hits"].max_entries == 256
    outcome = found.programs["count"].emulate(bytes(23) + b"\x06" + bytes(40))
    assert (outcome.action, outcome.maps["hits"][6]) == ("XDP_PASS", 1)
    with pytest.raises(Unavailable, match="comes from an object file"):
        found.programs["count"].cpython(FRAME)


def test_a_wrong_row_of_the_table_is_a_mismatch_that_shows_the_difference() -> None:
    row = ops.BY_NAME["mul64_k"]
    right = row.value
    object.__setattr__(row, "value", lambda d, s, bits: d * s + 1)  # rows are frozen: planted past that
    try:
        with pytest.raises(Mismatch, match="not the same on all machines") as told:
            scaled.check(5, 6)
        assert re.sub(r"\S*/|, native", "", str(told.value)).splitlines() == [
            f"test_program.py:{scaled.place.split(':')[1]}: scaled(5, 6) is not the same on all machines",
            "  interp differs from cpython, portable:",
            "    value (u64): cpython 21 (0x15), interp 22 (0x16)",
        ]
        values = {name: one.value for name, one in told.value.outcomes.items() if name != "native"}
        assert values == {"cpython": 21, "interp": 22, "portable": 21}
    finally:
        object.__setattr__(row, "value", right)
    assert scaled.check(5, 6).value == 21


def test_a_session_of_a_user_keeps_maps_and_takes_inputs_as_they_are() -> None:
    for engine in ("cpython", "auto"):
        with bpfvm.session(lengths, engine, maps={"seen_lengths": {0: 2}}) as runs:
            assert runs.run(FRAME).action == "XDP_PASS"
            assert runs.run(b"short", ctx={"ingress_ifindex": 4}).action == "XDP_DROP"
            assert (runs.maps["seen_lengths"][0], runs.maps["seen_lengths"][5]) == (3, 4)
            assert re.search(r"on \w+: 2 runs, the last gave XDP_DROP after the fault .*: PacketError: ", repr(runs))


def test_seed_and_clock_of_a_session() -> None:
    insns = (insn("call", imm=7), insn("exit"))  # get_prandom_u32
    chance = Program("draw", "xdp", ObjectSpec({"draw": ProgramSpec("draw", "xdp", "xdp", insns)}, {}))
    drawn = []
    for seed in (1, 1, 2):
        with bpfvm.session(chance, seed=seed) as runs:
            drawn.append((runs.run(FRAME).value, runs.run(FRAME).value))
    assert drawn[0] == drawn[1] != drawn[2]


def test_diagnose_gives_all_errors_of_a_function() -> None:
    @bpf.function
    def wrong(a: u32) -> u32:
        limit = a / 2
        if ~(a > 3) == -1:
            return undefined + limit  # type: ignore[name-defined, no-any-return]  # noqa: F821
        return a * a * a // 3

    assert [one.code for one in wrong.diagnose()] == ["E042", "E010", "E040"]
    assert [one.code for one in wrong.diagnose(warnings=True)] == ["E042", "W110", "E010", "E040"]
    assert scaled.diagnose(warnings=True) == []


def test_text_becomes_a_program() -> None:
    names = bpf.exec("def half(a):\n    return a // 2\n\ndef program(a: u32) -> u32:\n    return half(a)", {"u32": u32})
    assert bpf.function(names["program"]).check(9).value == 4
    assert bpf.exec("x = 1\n")["x"] == 1


def test_disassembly_names_maps_helpers_and_lines() -> None:
    text = lengths.disasm()
    assert "map[seen_lengths]" in text
    assert "bpf_map_lookup_elem#1" in text
    assert "seen[len(pkt) % 8] += ctx.ingress_ifindex" in text


def test_a_machine_is_active_only_while_a_program_runs() -> None:
    class Nothing:
        def packet_length(self) -> int:
            return 9

    with running(Nothing()):  # type: ignore[arg-type]
        assert len(pkt) == 9
    with pytest.raises(UsageError):
        len(pkt)


def of_section(section: str, text: str) -> Program:
    kind = sections.of_section(section).program_type
    spec = ObjectSpec({"p": ProgramSpec("p", section, kind, tuple(assemble(text)))}, {})
    return Object(spec).programs["p"]


@pytest.mark.parametrize(
    ("section", "load", "given", "ctx", "value"),
    [
        ("raw_tp/sys_enter", "u64 *)(r1 +8)", (), {"args[1]": 7}, 7),
        ("sk_lookup", "u32 *)(r1 +60)", (), {"local_port": 1}, 1),
        ("kprobe/f", "u64 *)(r1 +112)", (), {"di": 5}, 5),
        ("tp/a/b", "u64 *)(r1 +8)", (bytes(8) + b"\x09" + bytes(7),), None, 9),
        ("syscall", "u8 *)(r1 +1)", (bytearray(b"ab"),), None, ord("b")),
        ("syscall", "", (), None, 3),
        ("sk_skb/stream_verdict", "u32 *)(r1 +0)", (b"x",), {"priority": 1}, 1),
    ],
)
def test_programs_without_packets_take_contexts(
    section: str, load: str, given: tuple[Any, ...], ctx: dict[str, int] | None, value: int
) -> None:
    program = of_section(section, f"r0 = *({load}\nexit" if load else "r0 = 3\nexit")
    assert program.emulate(*given, ctx=ctx).value == value


@pytest.mark.parametrize(
    ("section", "given", "ctx", "message"),
    [
        ("raw_tp/a", (b"abc",), None, "p takes fields of bpf_raw_tracepoint_args, ctx={name: value}, and got 1 "
                                       "arguments"),
        ("syscall", (b"a", b"b"), None, "p takes one context as bytes, and got 2 arguments"),
        ("syscall", (7,), None, "p takes a context, something that bytes() accepts, not 7"),
        ("syscall", ("text",), None, "p takes a context, something that bytes() accepts, not 'text'"),
        ("syscall", (b"a",), {"mark": 1}, "a syscall program's context has no field 'mark': give it as bytes"),
        ("sk_skb", (1,), None, "p takes data, something that bytes() accepts, not 1"),
        ("xdp", (1,), None, "p takes a packet, something that bytes() accepts, not 1"),
    ],
)  # fmt: skip
def test_contexts_that_cannot_be(
    section: str, given: tuple[Any, ...], ctx: dict[str, int] | None, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        of_section(section, "r0 = 0\nexit").emulate(*given, ctx=ctx)
    assert str(caught.value) == message
