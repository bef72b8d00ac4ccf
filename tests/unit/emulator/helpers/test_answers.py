"""Helpers and kernel functions that are Python functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.answers import Given, Table
from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int
from bpfvm.obj.model import ExternSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

MAPS = {"m": MapSpec("m", "array", 4, 8, 3)}


def run(
    text: str, answers: Mapping[str, Callable[..., Any]], type: str = "xdp", spec: ObjectSpec | None = None
) -> Result:
    """The result of both tiers, which are the same."""
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    program = ProgramSpec("p", type, type, tuple(insns))
    base = spec or ObjectSpec({}, MAPS)
    whole = ObjectSpec({"p": program}, base.maps, base.btf, externs=base.externs)
    results = []
    for name in EMULATORS:
        with Emulator(name, answers=answers).load(whole, "p", {}) as loaded:
            given = Input(packet=bytes(range(64))) if type == "xdp" else Input(ctx=bytes(16))
            results.append(loaded.run(given))
    assert results[0].r0 == results[1].r0
    assert results[0].fault == results[1].fault
    return results[0]


FIB = """
r6 = r1
*(u64 *)(r10 -64) = 0x0102
*(u64 *)(r10 -56) = 0
r2 = r10
r2 += -64
r3 = 16
r4 = 5
call fib_lookup
r1 = *(u64 *)(r10 -64)
r0 <<= 32
r0 |= r1
exit
"""


def test_the_context_and_memory_that_is_changed() -> None:
    seen: list[object] = []

    def fib_lookup(context: Given, params: bytearray, size: int, flags: int) -> int:
        seen.append((context.packet, context.fields["ingress_ifindex"], context.data, bytes(params), size, flags))
        params[0] = 9
        return 3

    assert run(FIB, {"fib_lookup": fib_lookup}).r0 == 3 << 32 | 0x0109
    assert seen == [(bytes(range(64)), 1, b"", b"\2\1" + bytes(14), 16, 5)] * len(EMULATORS)


@pytest.mark.parametrize(("result", "wanted"), [
    (None, 0), (0, 0), (-2, (1 << 64) - 2), (True, 1), (1 << 70 | 5, 5),
])  # fmt: skip
def test_results(result: object, wanted: int) -> None:
    assert run("call get_current_pid_tgid\nexit", {"get_current_pid_tgid": lambda: result}).r0 == wanted


def test_bytes_become_memory_that_can_be_read_only() -> None:
    give = {"get_current_task": lambda: b"\x11\x22\x33\x44\x55\x66\x77\x88"}
    assert run("call get_current_task\nr0 = *(u64 *)(r0 +0)\nexit", give).r0 == 0x8877665544332211
    assert run("call get_current_task\nr6 = r0\ncall get_current_task\nr0 -= r6\nexit", give).r0 == 0
    fault = run("call get_current_task\n*(u8 *)(r0 +0) = 1\nr0 = 0\nexit", give).fault
    assert fault is not None
    assert "object of bpf_get_current_task#35+0, which cannot be written" in fault.message


def test_maps() -> None:
    def redirect_map(table: Table, key: int, flags: int) -> int:
        assert table.name == "m"
        assert table.update(bytes(4), b"\7" + bytes(7)) == 0
        assert table.update(b"\7" + bytes(3), bytes(8)) < 0
        assert table.lookup(b"\7" + bytes(3)) is None
        assert table.delete(bytes(4)) < 0
        return (table.lookup(bytes(4)) or b"")[0] + key

    assert run("r1 = map[m]\nr2 = 2\nr3 = 0\ncall redirect_map\nexit", {"redirect_map": redirect_map}).r0 == 9


def test_functions_of_the_program() -> None:
    def loop(count: int, function: Callable[..., int], context: int, flags: int) -> int:
        return function(count, context) + function(1, context)

    text = "r1 = 40\nr2 = func f\nr3 = 0\nr4 = 0\ncall loop\nexit\nf: r0 = r1\nr0 += 1\nexit"
    assert run(text, {"loop": loop}).r0 == 43


def wrong() -> int:
    raise ValueError("no such task")


def test_errors_are_one_line_with_their_place() -> None:
    line = wrong.__code__.co_firstlineno
    for function, message in (
        (wrong, f"{__file__}:{line + 1}: bpf_get_current_pid_tgid#14: ValueError: no such task"),
        (lambda: "text", "the result is 'text', and must be an int, bytes or None"),
        (lambda one: one, "TypeError"),
    ):
        fault = run("call get_current_pid_tgid\nexit", {"get_current_pid_tgid": function}).fault
        assert fault is not None
        assert message in fault.message
        assert "\n" not in fault.message
        assert fault.insn == 0


def test_memory_keeps_its_size() -> None:
    def fib_lookup(context: Given, params: bytearray, size: int, flags: int) -> int:
        params += b"more"
        return 0

    fault = run(FIB, {"fib_lookup": fib_lookup}).fault
    assert fault is not None
    assert "memory of 16 bytes was made 20 bytes long" in fault.message


def kernel_object() -> ObjectSpec:
    btf = Btf()
    s32, u64 = btf.add(Int("int", 4, 32, is_signed=True)), btf.add(Int("u64", 8, 64))
    pair = btf.add_struct("pair", 16, [("a", u64, 0), ("b", u64, 8)])
    void = btf.add_ptr(0)
    proto = btf.add_func_proto(
        s32, [("n", s32), ("p", btf.add_ptr(pair)), ("mem", void), ("mem__sz", u64), ("task", void)]
    )
    return ObjectSpec({}, MAPS, btf, externs={"my_kfunc": ExternSpec("my_kfunc", "kfunc", proto)})


KFUNC = """
*(u64 *)(r10 -16) = 1
*(u64 *)(r10 -8) = 2
r1 = -3
r2 = r10
r2 += -16
r3 = r2
r4 = 8
r5 = 77
call kfunc[my_kfunc]@0
r1 = *(u64 *)(r10 -8)
r0 += r1
exit
"""


def test_kernel_functions_by_their_prototype() -> None:
    seen: list[object] = []

    def my_kfunc(n: int, pair: bytearray, memory: bytearray, size: int, task: int) -> int:
        seen.append((n, bytes(pair), bytes(memory), size, task))
        pair[8] = 40
        return 2

    assert run(KFUNC, {"my_kfunc": my_kfunc}, spec=kernel_object()).r0 == 42
    pair = (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    assert seen == [(-3, pair, pair[:8], 8, 77)] * len(EMULATORS)


def test_kernel_functions_that_nobody_gave_are_named() -> None:
    with pytest.raises(
        Unavailable, match=r"calls my_kfunc, a kernel function that is not emulated .*--helper FILE.py:my_kfunc"
    ):
        run(KFUNC, {}, spec=kernel_object())


@pytest.mark.parametrize(("answers", "message"), [
    ({"fib_lokup": wrong}, "there is no helper 'fib_lokup', did you mean 'fib_lookup'"),
    ({"other": wrong}, "the object's kernel functions are my_kfunc"),
    ({"fib_lookup": 3}, "is given by 3, which is no function"),
])  # fmt: skip
def test_names_that_are_nothing(answers: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("r0 = 0\nexit", answers, spec=kernel_object())


LOOK = "r1 = r6\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\nr2 = r10\nr2 += -16\nr3 = 12\nr4 = 0\nr5 = 0\n"
LOOK += "call sk_lookup_udp\n"
RELEASE = "r1 = r7\ncall sk_release\n"
FOUND: dict[str, Callable[..., Any]] = {
    "sk_lookup_udp": lambda context, tuple, size, ns, flags: b"\5\0\0\0" + bytes(92)
}


def test_sockets_that_are_looked_up_are_released() -> None:
    text = f"r6 = r1\n{LOOK}r7 = r0\nr8 = *(u32 *)(r7 +0)\n{RELEASE}r0 = r8\nexit"
    assert run(text, FOUND).r0 == 5
    assert run(text.replace(RELEASE, RELEASE), {**FOUND, "sk_release": lambda sock: 0}).r0 == 5
    nothing = f"r6 = r1\n{LOOK}r7 = r0\nr0 = 9\nif r7 == 0 goto out\n{RELEASE}out: exit"
    assert run(nothing, {"sk_lookup_udp": lambda *given: None}).r0 == 9


@pytest.mark.parametrize(("text", "message"), [
    (LOOK, "still owns a socket of bpf_sk_lookup_udp#85, never released"),
    (LOOK + LOOK + "r7 = r0\n" + RELEASE, "still owns a socket"),
    (LOOK + "r7 = r0\n" + RELEASE * 2, "argument 1 of bpf_sk_release#86 is no socket that the program looked up"),
    ("r7 = r6\n" + RELEASE, "argument 1 of bpf_sk_release#86 is no socket that the program looked up"),
])  # fmt: skip
def test_sockets_that_are_not(text: str, message: str) -> None:
    fault = run(f"r6 = r1\n{text}r0 = 0\nexit", FOUND).fault
    assert fault is not None
    assert message in fault.message
