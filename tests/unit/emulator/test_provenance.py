"""What a pointer is after it was stored, returned, cut to a number or outlived its object."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError, Unavailable, UsageError
from bpfvm.core.machine import Fault, Input, Result
from bpfvm.emulator import INTERP, Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

ONE = MapSpec("m", "array", 4, 8, 1)
LOOKUP = "*(u32 *)(r10 -4) = {index}\n r1 = map[m]\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto out\n"
UPDATE = "r1 = map[m]\n r2 = r10\n r2 += -4\n r3 = r10\n r3 += -16\n r4 = {flags}\n call 2\n"


def run(text: str, type: str = "syscall", spec: MapSpec = ONE) -> Result:
    given = Input(packet=bytes(64)) if type == "xdp" else Input(ctx=bytes(16))
    whole = ObjectSpec({"p": ProgramSpec("p", type, type, tuple(assemble(text)))}, {"m": spec})
    with INTERP.load(whole, "p", {}) as loaded:
        return loaded.run(given)


def fault(result: Result) -> Fault:
    assert result.fault is not None
    return result.fault


def test_a_pointer_stored_in_a_map_is_gone_when_the_value_is_updated() -> None:
    text = (
        "r7 = r1\n"
        + LOOKUP.format(index=0)
        + "r6 = r0\n *(u64 *)(r6 +0) = r6\n *(u64 *)(r10 -16) = 77\n"
        + UPDATE.format(flags=0)
        + "r0 = *(u64 *)(r6 +0)\n *(u64 *)(r7 +0) = r0\n out: r0 = 0\n exit"
    )
    after = run(text).ctx
    assert after is not None
    assert int.from_bytes(after[:8], "little") == 77


def test_a_function_may_leave_r0_unwritten_when_nobody_reads_it() -> None:
    assert run("call f\n r0 = 5\n exit\n f: exit").r0 == 5
    assert fault(run("call f\n exit\n f: exit")).kind == "uninit"


def test_compare_and_exchange_may_name_r10_as_what_it_stores() -> None:
    text = "r0 = 0\n *(u64 *)(r10 -8) = r0\n r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r10)\n r0 = 0\n exit"
    assert run(text).fault is None
    with pytest.raises(LoadError, match="r10"):
        run("*(u64 *)(r10 -8) = 0\n r10 = atomic64_xchg((u64 *)(r10 -8), r10)\n r0 = 0\n exit")


@pytest.mark.parametrize(
    ("text", "type", "message"),
    [
        ("r2 = *(u32 *)(r1 +0)\n r2 &= -1\n r2 += 100\n", "xdp", "packet+100, packet is 64 bytes"),
        ("r2 = *(u32 *)(r1 +0)\n r2 &= -1\n r2 += -1\n", "xdp", "packet-1, packet is 64 bytes"),
        ("r2 = r1\n r2 &= -1\n r2 += 16\n", "syscall", "context+16, context is 16 bytes"),
        ("r2 = r10\n r2 &= -1\n", "syscall", "stack of frame 0+512"),
        (LOOKUP.format(index=1) + "r2 = r0\n r2 &= -1\n r2 += 8\n", "syscall", "m value at 8+8, m value at 8"),
        (LOOKUP.format(index=1) + "r2 = r0\n r2 &= -1\n r2 += 4\n", "syscall", "m value at 8+4, m value at 8 is 4"),
    ],
)
def test_a_number_used_as_an_address_is_held_to_the_object_there(text: str, type: str, message: str) -> None:
    spec = MapSpec("m", "array", 4, 4 if "m value at 8+4" in message else 8, 2)
    found = fault(run(text + "r0 = *(u8 *)(r2 +0)\n out: exit", type, spec))
    assert found.kind == "access"
    assert message.split(",")[0] in found.message


@pytest.mark.parametrize("insn", ["r0 = atomic_fetch_add((u32 *)(r4 +{at}), r0)", "lock *(u64 *)(r4 +{at}) += r0"])
@pytest.mark.parametrize("engine", EMULATORS)
def test_an_atomic_operation_is_held_to_the_element_that_was_looked_up(engine: str, insn: str) -> None:
    """And not to the next one of the array, where the sum of both is."""
    for at, is_inside in ((16, True), (24, False), (32, False), (-8, False)):
        text = LOOKUP.format(index=1) + f"r4 = r0\n r0 = 0\n {insn.format(at=at)}\n out: r0 = 0\n exit"
        spec = MapSpec("m", "array", 4, 24, 4)
        whole = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {"m": spec})
        with Emulator(engine).load(whole, "p", {}) as loaded:
            found = loaded.run(Input(ctx=bytes(16))).fault
        assert (found is None) is is_inside
        assert found is None or f"m value at 24{at:+}, m value at 24 is 24 bytes" in found.message


def test_an_offset_wraps_as_a_register_does() -> None:
    assert run("r2 = 1\n r2 <<= 63\n r3 = r1\n r3 += r2\n r3 += r2\n r0 = *(u8 *)(r3 +0)\n exit").fault is None


def test_the_stack_of_a_function_that_returned_is_released() -> None:
    text = "call f\n r0 = *(u64 *)(r0 -8)\n exit\n f: r0 = r10\n *(u64 *)(r0 -8) = 7\n exit"
    assert "which was released" in fault(run(text)).message


def test_reading_stack_that_was_never_written_is_a_warning() -> None:
    result = run("r1 = 1\n *(u32 *)(r10 -8) = r1\n r0 = *(u64 *)(r10 -8)\n r0 = *(u64 *)(r10 -16)\n exit")
    assert result.fault is None
    assert [(one.kind, one.insn) for one in result.warnings] == [("uninitialised", 2), ("uninitialised", 3)]
    assert "of which 4 were never written" in result.warnings[0].message
    assert not run("*(u64 *)(r10 -8) = 1\n r0 = *(u32 *)(r10 -4)\n exit").warnings


def test_a_helper_that_reads_stack_never_written_is_a_warning() -> None:
    result = run("*(u32 *)(r10 -4) = 0\n" + UPDATE.format(flags=0) + "exit")
    assert [(one.insn, one.kind) for one in result.warnings] == [(8, "uninitialised")]


@pytest.mark.parametrize(
    ("flags", "text", "message"),
    [
        (0x80, "r2 = map[m]+0\n *(u64 *)(r2 +0) = 5\n r0 = 0\n exit", "which cannot be written"),
        (0x100, "r2 = map[m]+0\n r0 = *(u64 *)(r2 +0)\n exit", "which cannot be read"),
        (0x80, "*(u64 *)(r10 -8) = 0\n *(u64 *)(r10 -16) = 0\n" + UPDATE.format(flags=0) + "exit", "BPF_F_RDONLY_PROG"),
        (0x100, "r2 = map[m]+0\n r1 = map[m]\n call 1\n r0 = 0\n exit", "which cannot be read"),
    ],
)
def test_flags_of_a_map_hold_for_programs(flags: int, text: str, message: str) -> None:
    assert message in fault(run(text, spec=MapSpec("m", "array", 4, 8, 1, flags))).message


def test_a_budget_is_spent_exactly() -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble("r0 = 1\n r0 = 2\n exit")))}, {})
    for budget, executed in ((1, 1), (2, 2), (3, 3), (4, 3)):
        with Emulator("interp", budget=budget).load(spec, "p", {}) as loaded:
            result = loaded.run(Input(ctx=b""))
        assert (result.insns, result.fault is None) == (executed, budget >= 3)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (MapSpec("m", "array", 4, 1 << 20, 1 << 20), Unavailable, "needs 1099511627776 bytes"),
        (MapSpec("m", "array", 4, 8, 1, initial=bytes(9)), LoadError, "initial contents of 9 bytes"),
        (MapSpec("m", "array", 4, 8, 2), LoadError, "takes 1 entry, not 2"),
    ],
)
def test_maps_that_cannot_be(spec: MapSpec, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run("r0 = map[m]+0\n r0 = 0\n exit", spec=spec)


@pytest.mark.parametrize(
    ("name", "value"), [("ingress_ifindex", -1), ("ingress_ifindex", 1 << 32), ("no", 1), ("data", 1)]
)
def test_context_fields_are_checked(name: str, value: int) -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble("r0 = 2\n exit")))}, {})
    with INTERP.load(spec, "p", {}) as loaded, pytest.raises(UsageError, match=name):
        loaded.run(Input(packet=bytes(64), fields={name: value}))


def test_a_closed_program_may_be_closed_again_and_knows_its_maps() -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble("r0 = 2\n exit")))}, {"m": ONE})
    loaded = INTERP.load(spec, "p", {})
    with pytest.raises(UsageError, match="does not use a map 'm'"):
        loaded.read_map("m")
    loaded.close()
    loaded.close()


@pytest.mark.parametrize("name", EMULATORS)
def test_memory_before_a_packet_that_has_none(name: str) -> None:
    """It has no bytes, and where only addresses are known, the packet begins at its own."""
    code = tuple(assemble("r1 = *(u32 *)(r1 + 140)\n r0 = *(u8 *)(r1 + 3)\n exit"))
    with Emulator(name).load(ObjectSpec({"p": ProgramSpec("p", "tc", "sched_cls", code)}, {}), "p", {}) as loaded:
        result = loaded.run(Input(packet=bytes(range(64))))
    if name == "interp":
        assert "metadata+3, metadata is 0 bytes" in fault(result).message
    else:
        assert (result.fault, result.r0) == (None, 3)


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize(
    "access", ["*(u16 *)(r2 {at:+}) = 7", "r3 = *(u8 *)(r2 {at:+})", "lock *(u64 *)(r2 {at:+}) += r2"]
)
def test_the_packet_begins_behind_its_metadata(engine: str, access: str) -> None:
    """Which has a pointer of its own."""
    packet = "packet-8, packet is 64 bytes"
    for field, at, words in (
        (8, 0, None),
        (8, -8, "metadata-8"),
        (8, 16, "metadata+16"),
        (0, 0, None),
        (0, -8, packet),
    ):
        meta = "r4 = *(u32 *)(r1 +8)\n r3 = *(u8 *)(r4 +1)\n"
        by = 4 if field else at - 4
        moved = f"r2 = *(u32 *)(r1 +{field})\n r2 += {by}\n"
        text = f"{meta} {moved} {access.format(at=at - by)}\n r0 = 2\n exit"
        spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))}, {})
        with Emulator(engine).load(spec, "p", {}) as loaded:
            found = loaded.run(Input(packet=bytes(64), fields={"data_meta": 16})).fault
        if words is None:
            assert found is None
        else:
            assert found is not None
            assert (found.insn, engine != "interp" or words in found.message) == (4, True)


def test_a_stack_stands_where_it_does_also_for_a_run_by_the_reference_tier() -> None:
    """Compiled code takes no number in r6 at the start, so that the reference tier runs it, on the same stacks."""
    code = tuple(assemble("*(u64 *)(r1 +0) = r10\n *(u64 *)(r1 +8) = r6\n r0 = 0\n exit"))
    spec, found = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", code)}, {}), []
    for name in EMULATORS:
        with Emulator(name).load(spec, "p", {}) as loaded:
            found.append(loaded.run(Input(ctx=bytes(16), registers={6: 5})).ctx)
    assert found[0] is not None
    assert found[0][8] == 5
    assert found == [found[0]] * len(EMULATORS)
