"""Whole functions, written by hand and generated: the compiled program ends as the function itself does in CPython."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpfvm.compiler import compile_program
from bpfvm.core.bits import M64
from bpfvm.core.codes import CODES
from bpfvm.core.diag import CompileError
from tests.programs import functions, loops
from tests.unit.compiler.generated import (
    EDGES,
    ELEMENTS,
    ENTRIES,
    SCALARS,
    XDP,
    Choices,
    PacketText,
    Text,
    forget,
    function_of,
)
from tests.unit.compiler.machines import in_cpython, machine, on_packet

T = TypeVar("T")

CASES = [*functions.CASES, *loops.CASES]
INPUTS = 6
FRAMES = (0, 14, 15, 20, 23, 24, 25, 30, 33, 34, 35, 60, 100)


@pytest.mark.parametrize(("function", "inputs"), CASES, ids=[function.__name__ for function, _ in CASES])
def test_written_functions(function: Any, inputs: list[tuple[int, ...]]) -> None:
    with machine(function) as made:
        assert made.compiled.warnings == ()
        for words in inputs:
            assert made.run(words) == in_cpython(function, words), words


def test_there_are_enough_written_functions() -> None:
    met = Counter(
        ending.fault[0] if (ending := in_cpython(function, words)).fault else "value"
        for function, inputs in CASES
        for words in inputs
    )
    print(f"{len(CASES)} functions: {dict(met)}")
    assert len(CASES) >= 20
    assert met["value"] >= 120
    assert met["ZeroDivisionError"] >= 3
    assert met["ValueError"] >= 3
    assert met["AssertionError"] >= 3
    assert met["TooLong"] == 1


class Drawn:
    """Choices that Hypothesis makes, and can shrink."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


@st.composite
def texts(draw: st.DrawFn, kind: Callable[[Choices], Text]) -> str:
    """The text of one function."""
    return kind(Drawn(draw)).function()


words = st.sampled_from(EDGES) | st.integers(0, M64)
frames = st.sampled_from(FRAMES).flatmap(lambda size: st.binary(min_size=size, max_size=size))


class Tally:
    """What a property met over all its examples."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()

    def refused(self, error: CompileError) -> None:
        """A refusal is a diagnostic with a place."""
        assert all(diag.code in CODES and diag.span is not None for diag in error.diags)
        self.met["refused"] += 1


def test_generated_functions() -> None:
    tally = Tally()

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(texts(Text), st.lists(st.tuples(words, words, words, words), min_size=INPUTS, max_size=INPUTS))
    def agree(text: str, inputs: list[tuple[int, ...]]) -> None:
        function = function_of(text)
        try:
            with machine(function) as made:
                tally.met["compiled"] += 1
                for some in inputs:
                    given_words = some[: function.__code__.co_argcount]
                    want = in_cpython(function, given_words)
                    assert made.run(given_words) == want, f"{text}\n{given_words}"
                    tally.met[want.fault[0] if want.fault else "value"] += 1
        except CompileError as error:
            tally.refused(error)
        finally:
            forget(function)

    agree()
    print(dict(tally.met))
    assert tally.met["compiled"] >= 75
    assert tally.met["value"] >= 300


def element_values(draw: st.DrawFn) -> dict[str, list[bytes]]:
    """Contents for every map that generated programs know."""
    seeds = draw(st.lists(st.sampled_from(EDGES), min_size=ENTRIES, max_size=ENTRIES))
    return {
        f"m_{one.__name__}": [(seed & (1 << one.bits) - 1).to_bytes(one.size, "little") for seed in seeds]
        for one in ELEMENTS
    }


def test_generated_packet_programs() -> None:
    tally = Tally()

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(texts(PacketText), st.lists(frames, min_size=INPUTS, max_size=INPUTS), st.composite(element_values)())
    def agree(text: str, packets: list[bytes], maps: dict[str, list[bytes]]) -> None:
        function = function_of(text)
        try:
            with machine(function, XDP) as made:
                tally.met["compiled"] += 1
                for packet in packets:
                    want = on_packet(function, packet, maps, 7)
                    assert made.on_packet(packet, maps, 7) == want, f"{text}\n{packet!r}"
                    tally.met[want.fault[0] if want.fault else "value"] += 1
        except CompileError as error:
            tally.refused(error)
        finally:
            forget(function)

    agree()
    print(dict(tally.met))
    assert tally.met["compiled"] >= 50
    assert tally.met["value"] >= 100
    assert tally.met["PacketError"] >= 10


def endings(text: str, packets: Sequence[bytes]) -> list[tuple[int | None, tuple[str, int] | None]]:
    """How an XDP program ends on each packet, in CPython and compiled alike; maps start at 0."""
    maps = {f"m_{one.__name__}": [bytes(one.size)] * ENTRIES for one in ELEMENTS}
    function = function_of(text)
    found = []
    try:
        with machine(function, XDP) as made:
            for packet in packets:
                want, got = on_packet(function, packet, maps, 3), made.on_packet(packet, maps, 3)
                assert got == want, packet
                found.append((got.word, got.fault))
    finally:
        forget(function)
    return found


FRAME = (
    bytes(12) + b"\x08\x00" + bytes([0x45, 0, 0, 46, 0x12, 0x34, 0x40, 0, 64, 17, 0xAB, 0xCD, 10, 0, 0, 1, 10, 0, 0, 2])
)


@pytest.mark.parametrize(
    ("field", "value"),
    [("eth.type", 0x800), ("ip.ver", 4), ("ip.ihl", 5), ("ip.tos", 0), ("ip.len", 46), ("ip.id", 0x1234),
     ("ip.ttl", 64), ("ip.frag", 0x4000), ("ip.proto", 17), ("ip.csum", 0xABCD), ("ip.src", 0x0A000001),
     ("ip.dst", 0x0A000002)],
)  # fmt: skip
def test_header_fields(field: str, value: int) -> None:
    cuts = [FRAME[:size] for size in range(len(FRAME) + 1)]
    found = endings(f"def f(ctx):\n    return pkt.{field}\n", cuts)
    assert found[-1] == (value, None)
    faults = [fault for _, fault in found if fault]
    assert faults[0] == ("PacketError", 2)
    assert len(faults) >= 13


@pytest.mark.parametrize(
    "body",
    [
        "return pkt.ip.ttl + pkt.ip.proto",
        "return pkt.ip.proto + pkt.ip.ttl",
        "a = pkt.ip.dst if len(pkt) > 40 else pkt.eth.type\n    return pkt.ip.ttl + a",
        "a = pkt.eth.type if len(pkt) > 20 else 3\n    return pkt.ip.src + a",
        "if len(pkt) > 30 and pkt.ip.ttl > 3 or pkt.ip.csum:\n        return pkt.ip.csum\n    return pkt.ip.dst",
        "m_u64[pkt.eth.type & 7] += pkt.ip.len\n    m_u64[1] += pkt.ip.id\n    return pkt.ip.len",
    ],
)
def test_each_way_has_its_own_bounds(body: str) -> None:
    """Every cut of a frame faults where CPython does, whatever was read before on the way."""
    cuts = [FRAME[:size] for size in range(len(FRAME) + 1)] + [FRAME + bytes(size) for size in (1, 6, 7, 66)]
    found = endings(f"def f(ctx):\n    {body}\n", cuts)
    assert {fault is None for _, fault in found} == {True, False}


@pytest.mark.parametrize("one", ELEMENTS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("op", ["+", "-", "*", "&", "|", "^", "//", "%", "<<", ">>", ""])
def test_updates_of_elements(one: Any, op: str) -> None:
    """`m[i] op= v` and `m[i] = v` for every kind of element, from edge contents."""
    name, signed = f"m_{one.__name__}", one.__name__ == "s64"
    text = f"def f(ctx):\n    {name}[pkt.ip.ihl] {op}= {'s8' if signed else 'u8'}(pkt.ip.tos)\n    return {name}[1]\n"
    function, compared = function_of(text), 0
    maps = {f"m_{other.__name__}": [bytes(other.size)] * ENTRIES for other in ELEMENTS}
    try:
        with machine(function, XDP) as made:
            for content in EDGES[::12]:
                maps[name] = [(content & (1 << one.bits) - 1).to_bytes(one.size, "little")] * ENTRIES
                for operand in (0, 1, 3, 64, 127, 128, 255):
                    packet = FRAME[:15] + bytes([operand]) + FRAME[16:]
                    want = on_packet(function, packet, maps, 1)
                    assert made.on_packet(packet, maps, 1) == want, (content, operand)
                    compared += 1
    finally:
        forget(function)
    print(f"{compared} updates")
    assert compared >= 100


def test_indexes_outside_fault() -> None:
    for index, outside in (
        ("pkt.ip.proto", True),
        ("pkt.ip.ihl", False),
        ("-1", True),
        ("16", True),
        ("u64(1) << 63", True),
    ):
        for statement in ("return m_u64[{}]", "m_u64[{}] = 5", "m_u64[{}] += 5", "m_u32[{}] *= 5"):
            text = f"def f(ctx):\n    {statement.format(index)}\n"
            assert (endings(text, [FRAME])[0][1] == ("IndexError", 2)) == outside


def test_a_chain_on_several_lines_faults_at_its_last() -> None:
    assert endings("def f(ctx):\n    return (pkt\n        .ip\n        .proto)\n", [b""]) == [
        (None, ("PacketError", 4))
    ]


def test_effects_before_a_fault_stay() -> None:
    text = "def f(ctx):\n    m_u64[1] += 5\n    m_u32[2] = pkt.ip.ttl\n    m_u64[1] += 100 // m_u32[3]\n"
    assert endings(text, [b"", FRAME]) == [(None, ("PacketError", 3)), (None, ("ZeroDivisionError", 4))]


def test_the_index_is_tested_before_the_value_is_evaluated() -> None:
    """An update reads its element first; a plain store evaluates its value first."""
    update, store = "m_u64[pkt.ip.ihl * 9] += pkt.ip.dst", "m_u64[pkt.ip.ihl * 9] = pkt.ip.dst"
    for statement, kind in ((update, "IndexError"), (store, "PacketError")):
        assert endings(f"def f(ctx):\n    {statement}\n", [FRAME[:20]]) == [(None, (kind, 2))]


def test_results_of_programs_with_a_context() -> None:
    for body, want in (
        ("return", 2),
        ("return None", 2),
        ("pass", 2),
        ("return -1", 0xFFFF_FFFF),
        ("return u64(1) << 40 | 3", 3),
        ("return len(pkt) > 3", 1),
        ("return ctx.ingress_ifindex + 4", 7),
        ("return 1 if pkt.ip.proto == 17 else 3", 1),
        ("ip = pkt.ip\n    view = ip\n    return view.proto", 17),
    ):
        assert endings(f"def f(ctx):\n    {body}\n", [FRAME]) == [(want, None)]
    assert endings("def f():\n    return 1\n", [FRAME]) == [(1, None)]
    assert endings("f = lambda ctx: pkt.ip.ttl\nf.__name__ = 'f'\n", [FRAME]) == [(64, None)]


def sites(text: str) -> list[str]:
    """The kinds of the faults that a program tests for."""
    function = function_of(text)
    try:
        (program,) = compile_program(
            function, SCALARS if "->" in text else XDP, record_faults=True
        ).spec.programs.values()
        return [site.kind for site in program.fault_sites]
    finally:
        forget(function)


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("return a // b", ["ZeroDivisionError"]),
        ("return a // (b + 1)", []),
        ("return a // b if b else 0", []),
        ("return a // b if b > 3 and a else 0", []),
        ("return 0 if not b or a > 9 else a // b", []),
        ("if b == 0:\n        return 1\n    return a % b", []),
        ("if 2 <= b < 9:\n        return a % b\n    return 0", []),
        ("return a << (b & 31)", []),
        ("return a >> b", []),
        ("return u64(a) << (b - 1)", ["ValueError"]),
        ("return a >> max(b - 9, 0)", []),
        ("return a % abs(b - 5)", ["ZeroDivisionError"]),
        ("return a % (b or 1)", []),
        ("c = b\n    return a % b if c else 1", []),
        ("return u64(a) // 3", []),
    ],
)
def test_no_test_where_the_interval_excludes_the_fault(body: str, kinds: list[str]) -> None:
    assert sites(f"def f(a: u32, b: u32) -> u64:\n    {body}\n") == kinds


def test_packet_bounds_are_tested_once_a_way() -> None:
    assert sites("def f(ctx):\n    return pkt.ip.dst + pkt.ip.src + pkt.ip.ttl\n") == ["PacketError"]
    assert sites("def f(ctx):\n    return pkt.ip.ttl + pkt.ip.dst\n") == ["PacketError"] * 2
