"""Machine faults of the reference tier: kind, words, instruction and source line; and what provenance keeps apart."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.core.machine import Input, Location, Result
from bpfvm.emulator import INTERP, Emulator
from bpfvm.emulator.code import REFUSED
from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.emulator.interp import OTHERS
from bpfvm.isa.asm import assemble
from bpfvm.isa.ops import OPS, Kind
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import HELPERS
from tests.engines import EMULATORS

MAPS = {"m": MapSpec("m", "array", 4, 8, 3)}
LOOKUP = "r1 = map[m]\n r2 = r10\n r2 += -4\n *(u32 *)(r2 +0) = 1\n call 1\n if r0 == 0 goto out\n"


def run(text: str, type: str = "syscall", given: Input | None = None, backend: Emulator = INTERP) -> Result:
    lines = {0: Location("f.c", 7)}
    spec = ObjectSpec({"p": ProgramSpec("p", type, type, tuple(assemble(text)), lines)}, MAPS)
    with backend.load(spec, "p", {}) as loaded:
        return loaded.run(given or Input(ctx=bytes(16), packet=bytes(64)))


FAULTS = [
    ("r0 = *(u32 *)(r1 +14)\n exit", 0, "access", "read of 4 bytes at context+14, context is 16 bytes"),
    ("r0 = *(u8 *)(r1 -1)\n exit", 0, "access", "read of 1 byte at context-1, context is 16 bytes"),
    ("r0 = *(u64 *)(r10 +0)\n exit", 0, "access", "read of 8 bytes at stack of frame 0+512"),
    ("*(u8 *)(r10 -513) = 1\n exit", 0, "access", "write of 1 byte at stack of frame 0-1"),
    ("r2 = 0\n r0 = *(u8 *)(r2 +0)\n exit", 1, "access", "address 0x0, which is the null pointer"),
    ("r2 = -1\n r0 = *(u8 *)(r2 +0)\n exit", 1, "access", "address 0xffffffffffffffff, which is no object"),
    ("r1 = map[m]\n r0 = *(u64 *)(r1 +0)\n exit", 2, "access", "at map m+0, which cannot be read"),
    (LOOKUP + "r0 = *(u64 *)(r0 +8)\n out: exit", 7, "access", "read of 8 bytes at m value at 8+8, m value at 8 is 8"),
    ("r3 = 1\n lock *(u32 *)(r10 -7) += r3\n exit", 1, "access", "stack of frame 0+505 is not aligned"),
    ("r0 = r3\n exit", 0, "uninit", "r3 is read before it is written"),
    ("exit", 0, "uninit", "r0 is read before it is written"),
    ("r0 = 1\n r0 += r7\n exit", 1, "uninit", "r7 is read"),
    ("r0 = 0\n if r4 == 1 goto pc+0\n exit", 1, "uninit", "r4 is read"),
    (LOOKUP + "out: r0 = r1\n exit", 7, "uninit", "r1 is read"),
    ("goto pc-1", 0, "budget", "1000 instructions were executed"),
    ("call 4000\n exit", 0, "helper", "4000 is not emulated"),
    ("r1 = 5\n r2 = r10\n call 1\n exit", 2, "helper", "argument 1 of bpf_map_lookup_elem#1 is not a map"),
    ("r1 = map[m]\n r2 = r10\n call 1\n exit", 3, "access", "read of 4 bytes at stack of frame 0+512"),
    ("r1 = map[m]\n call 1\n exit", 2, "helper", "argument 2 of bpf_map_lookup_elem#1 is in a register that was"),
    ("f: call f\n exit", 0, "depth", "a call makes 9 frames, the limit is 8"),
]


@pytest.mark.parametrize(("text", "slot", "kind", "message"), FAULTS)
def test_a_fault_says_what_where_and_why(text: str, slot: int, kind: str, message: str) -> None:
    result = run(text, backend=Emulator("interp", budget=1000))
    fault = result.fault
    assert fault is not None
    assert fault.machine
    assert (fault.kind, fault.insn, fault.source) == (kind, slot, Location("f.c", 7))
    assert message in fault.message


def test_the_context_of_a_packet_program_is_read_only_and_gives_pointers() -> None:
    fault = run("*(u32 *)(r1 +12) = 1\n r0 = 0\n exit", "xdp").fault
    assert fault is not None
    assert "context+12, which cannot be written" in fault.message
    fault = run("r2 = *(u32 *)(r1 +0)\n r0 = *(u32 *)(r2 +62)\n exit", "xdp").fault
    assert fault is not None
    assert fault.message == "read of 4 bytes at packet+62, packet is 64 bytes"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("r2 = r1\n r2 += 8\n r2 -= r1\n r0 = r2\n exit", 8),  # two pointers to one object
        ("*(u64 *)(r10 -8) = r1\n r2 = *(u64 *)(r10 -8)\n r0 = *(u8 *)(r2 +3)\n exit", 9),  # spilled
        ("r2 = 2\n r2 += r1\n r0 = *(u8 *)(r2 +1)\n exit", 9),  # number + pointer
        ("r2 = r1\n r2 &= -1\n r0 = *(u8 *)(r2 +3)\n exit", 9),  # a number again, looked up
        ("w2 = w1\n r0 = *(u8 *)(r2 +3)\n exit", 9),  # arena addresses fit 32 bits
    ],
)
def test_provenance(text: str, value: int) -> None:
    result = run(text, given=Input(ctx=bytes((0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))))
    assert result.fault is None
    assert result.r0 == value


def test_a_pointer_that_was_overwritten_in_part_is_a_number() -> None:
    result = run("*(u64 *)(r10 -8) = r1\n *(u8 *)(r10 -8) = 0\n r2 = *(u64 *)(r10 -8)\n r2 += 4000\n r0 = r2\n exit")
    assert result.fault is None


def test_poison_is_seeded() -> None:
    text = "r0 = *(u64 *)(r10 -8)\n exit"
    a, b, c = (run(text, given=Input(ctx=b"", seed=seed)).r0 for seed in (1, 1, 2))
    assert a == b != c


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("r0 = 0\n goto pc+5\n exit", LoadError, "instruction 1 jumps to 7, outside of the 3 slots"),
        ("goto pc+1\n r0 = 1 ll\n exit", LoadError, "jumps to 2, the second half of a 64-bit load"),
        ("r0 = 0", LoadError, "instruction 0 is the last one"),
        ("call f\n exit\n f: goto pc-2", LoadError, "instruction 2 jumps to 1, which is in another function"),
        ("call f\n r0 = 0\n f: exit", LoadError, "instruction 1 is the last one of its function"),
        ("r10 = 0\n exit", LoadError, "writes to r10"),
        ("r10 = *(u64 *)(r1 +0)\n exit", LoadError, "writes to r10"),
        ("r0 = 1\n r0 /= 0\n exit", LoadError, "divides by the constant 0"),
        ("r0 = *(u8 *)skb[0]\n exit", LoadError, "legacy packet loads do not exist in syscall programs"),
        ("r1 = map[other]\n exit", LoadError, "no map 'other'"),
        ("call kfunc[f]@0\n exit", Unavailable, "a kernel function that is not emulated"),
    ],
)
def test_what_cannot_run_is_refused_at_load(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(text)


def test_every_kind_of_instruction_has_a_handler_and_every_helper_a_function() -> None:
    inline = {Kind.ALU, Kind.JUMP, Kind.LOAD, Kind.STORE}
    assert {op.kind for op in OPS if op.name not in REFUSED} == inline | set(OTHERS)
    assert set(IMPLEMENTED) <= {row.name for row in HELPERS}


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize("found", [1 << 45, 0x1234])
def test_what_a_users_function_finds_in_a_map_may_be_no_address(engine: str, found: int) -> None:
    text = "*(u32 *)(r10 -4) = 0\n r1 = map[m]\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto out\n"
    code = tuple(assemble(text + "r1 = *(u64 *)(r0 +0)\n out: r0 = 2\n exit"))
    spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", code)}, {"m": MapSpec("m", "array", 4, 8, 1)})
    with Emulator(engine, answers={"map_lookup_elem": lambda table, key: found}).load(spec, "p", {}) as loaded:
        result = loaded.run(Input(packet=bytes(64)))
    assert result.fault is not None
    assert (result.fault.kind, result.fault.insn) == ("access", 7)
