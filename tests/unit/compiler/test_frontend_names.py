"""Names around a function are captured by value; maps get their names; enum members act as CPython has them act."""

from __future__ import annotations

import enum
import socket
from typing import Any

import pytest

from bpfvm import Array, pkt, s64, u32, u64
from bpfvm.compiler import Compiled, compile_program
from bpfvm.core.diag import CompileError
from bpfvm.lang import hooks
from tests.unit.compiler.generated import EDGES, SCALARS, XDP
from tests.unit.compiler.machines import in_cpython, machine

LIMIT = 10
hits = Array(u64, 4)
named = Array(u64, 4, name="spoken")


class Proto(enum.IntEnum):
    """Constants with names."""

    ICMP = 1
    UDP = 17


class Mark(enum.IntFlag):
    """Bits with names."""

    LOW = 1
    HIGH = 8


class Config:
    """A class of constants."""

    step = 3
    nested = Proto


def agree(function: Any) -> None:
    """The function ends alike on both machines for all edge values."""
    with machine(function) as made:
        for word in EDGES:
            words = [word, EDGES[-1 - EDGES.index(word)]][: function.__code__.co_argcount]
            assert made.run(words) == in_cpython(function, words), words


def compiled(function: Any, hook: hooks.Hook = SCALARS, **options: Any) -> Compiled:
    """The function compiled; to a type checker a def is no FunctionType."""
    return compile_program(function, hook, **options)


def codes(function: Any, hook: hooks.Hook = SCALARS) -> list[str]:
    with pytest.raises(CompileError) as caught:
        compiled(function, hook)
    return [diag.code for diag in caught.value.diags]


def test_captured_constants() -> None:
    offset = 7

    def f(a: u32) -> u64:
        return a + LIMIT + offset + socket.IPPROTO_UDP + Proto.UDP + Config.step + Config.nested.ICMP.value

    agree(f)
    captured = {one.name: one.value for one in compiled(f).captured}
    assert captured["LIMIT"] == 10
    assert captured["offset"] == 7
    assert captured["socket.IPPROTO_UDP"] == 17
    assert captured["Proto.UDP"] is Proto.UDP
    assert captured["Config.nested.ICMP"] is Proto.ICMP
    assert "a" not in captured


def test_a_closure_variable_without_a_value() -> None:
    def f(a: u32) -> u32:
        return a + later

    assert codes(f) == ["E010"]
    later = 3
    agree(f)


def test_names_of_locals_hide_globals() -> None:
    def f(a: u32) -> u32:
        LIMIT = a
        abs = LIMIT + 1
        return abs

    agree(f)


def test_maps_are_named_by_their_variable() -> None:
    local = Array(u32, 2)

    def program() -> int:
        hits[0] += 1
        named[1] += 1
        local[1] += 1
        return hits.max_entries

    made = compiled(program, XDP)
    assert dict(made.maps) == {"hits": hits, "spoken": named, "local": local}
    assert set(made.spec.maps) >= {"hits", "spoken", "local"}
    assert (hits.name, local.name) == ("hits", "local")
    assert made.spec.maps["local"].value_size == 4


def test_two_maps_of_one_name() -> None:
    other = Array(u64, 4, name="hits")

    def program() -> None:
        hits[0] += 1
        other[0] += 1

    assert codes(program, XDP) == ["E045"]


def test_enum_members_act_as_integers() -> None:
    def f(a: u32, b: u64) -> u64:
        if a == Proto.UDP or Proto.ICMP < a < Proto.UDP:
            return b + Proto.UDP
        return b - Proto.ICMP * 2 + (a & Mark.HIGH) + (Mark.LOW | Mark.HIGH) + (Mark.LOW ^ 3) - -Mark.HIGH

    agree(f)


def test_flags_with_operators_of_their_own() -> None:
    def inverted(a: u32) -> u32:
        return u32(~Mark.LOW)

    def negative(a: s64) -> u64:
        return u64(int(a) & Mark.HIGH)

    def left(a: u64) -> u64:
        return Mark.HIGH & a

    assert [codes(inverted), codes(negative), codes(left)] == [["E063"], ["E063"], ["E041"]]


def test_classes_with_operators_of_their_own() -> None:
    class Odd(enum.IntEnum):
        ONE = 1

        def __add__(self, other: object) -> int:
            return 42

    def f(a: u32) -> u32:
        return Odd.ONE + a

    assert codes(f) == ["E045"]


def test_bool_is_not_an_int_on_the_left_of_u64() -> None:
    """The hole of `True + u64(1)`, which is a plain int in CPython."""

    def f(a: u64, b: u64) -> u64:
        return (a > 3) + b

    def joined(a: u64, b: u64) -> u64:
        return ((a > 3) if b else 5) + a

    def right(a: u64, b: u64) -> u64:
        return b + (a > 3)

    assert codes(f) == codes(joined) == ["E041"]
    agree(right)


def test_hostile_objects_give_diagnostics() -> None:
    class Hostile:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no")

        def __bool__(self) -> bool:
            raise RuntimeError("no")

        def __repr__(self) -> str:
            raise RuntimeError("no")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None  # type: ignore[assignment]

    thing: Any = Hostile()

    def f(a: u32) -> Any:
        if thing:
            return thing.x
        if thing == a:
            return thing(a)
        return thing[0]

    f.__annotations__["return"] = u32
    assert codes(f) == ["E063", "E037", "E022", "E012", "E025"]


def test_views_of_the_packet_are_values() -> None:
    view = pkt.ip

    def program() -> int:
        header = view
        return header.proto if header else 0

    def length(a: u32) -> u32:
        return len(pkt)

    assert compiled(program, XDP).spec.programs["program"].type == "xdp"
    assert codes(length) == ["E011"]


def test_a_program_needs_no_parameter_and_may_be_a_lambda() -> None:
    spec = compiled(lambda: pkt.ip.proto, XDP, name="short").spec
    assert list(spec.programs) == ["short"]


def test_dump_shows_the_frontend_first() -> None:
    def f(a: u32) -> u32:
        return a + 1

    stages: list[str] = []
    compiled(f, dump=lambda stage, text: stages.append(f"{stage}: {text}"))
    assert stages[0].startswith("frontend: function f syscall")


def test_compilation_is_deterministic() -> None:
    def f(a: u64, b: u32) -> u64:
        c = a if b > 3 else u64(b)
        d = min(b, 77)
        return c // (b | 1) + d

    first, second = (compiled(f).spec.programs["f"] for _ in range(2))
    assert first.insns == second.insns
    assert dict(first.lines) == dict(second.lines)
