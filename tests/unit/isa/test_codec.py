"""Bytes to instructions and back; what is refused, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import decode, encode
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import BY_NAME, OPS, Kind, Op
from tests.unit.isa.samples import at_random, insns

endians = st.sampled_from(["little", "big"])


@given(st.lists(insns(), max_size=8), endians)
def test_decode_is_the_inverse_of_encode(program: list[Insn], endian: str) -> None:
    code = encode(program, endian)
    assert len(code) == 8 * slots(program)[-1]
    assert decode(code, endian) == program


@pytest.mark.parametrize("endian", ["little", "big"])
def test_every_row_makes_the_round_trip(endian: str) -> None:
    program = at_random(1, 20, OPS)
    assert decode(encode(program, endian), endian) == program
    assert len(program) >= 20 * 182


@given(st.binary(max_size=64), endians)
def test_any_bytes_decode_or_are_refused(code: bytes, endian: str) -> None:
    try:
        program = decode(code, endian)
    except LoadError:
        return
    assert encode(program, endian) == code


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("95", "code of 1 byte is not a whole number of 8-byte instructions"),
        ("ff 00 00 00 00 00 00 00", "instruction 0: unknown opcode 0xff: arithmetic has no such operation"),
        (
            "95 00 00 00 00 00 00 00 9d 03 00 00 00 00 00 00",
            "instruction 1: unknown opcode 0x9d: this jump has no register form",
        ),
        ("8d 00 00 00 03 00 00 00", "instruction 0 (callx): imm is 3, and this operation does not use it"),
        ("8d 33 00 00 00 00 00 00", "instruction 0 (callx): src is 3, and this operation does not use it"),
        ("0d 03 01 00 00 00 00 00", "instruction 0 (gotox): off is 1, and this operation does not use it"),
        ("0d 0b 00 00 00 00 00 00", "instruction 0 (gotox): there is no register r11"),
        ("07 0b 00 00 00 00 00 00", "instruction 0 (add64_k): there is no register r11"),
        ("0f c0 00 00 00 00 00 00", "instruction 0 (add64_x): there is no register r12"),
        ("07 10 00 00 05 00 00 00", "instruction 0 (add64_k): src is 1, and this operation does not use it"),
        ("0f 10 00 00 05 00 00 00", "instruction 0 (add64_x): imm is 5, and this operation does not use it"),
        ("07 01 07 00 05 00 00 00", "instruction 0: opcode 0x07 (add64_k) with src=0 off=7 imm=5 has no meaning"),
        ("37 01 02 00 05 00 00 00", "instruction 0: opcode 0x37 (div64_k) with src=0 off=2 imm=5 has no meaning"),
        ("87 01 00 00 05 00 00 00", "instruction 0 (neg64): imm is 5, and this operation does not use it"),
        ("dc 01 00 00 08 00 00 00", "instruction 0: opcode 0xdc (be16) with src=0 off=0 imm=8 has no meaning"),
        ("dc 01 01 00 10 00 00 00", "instruction 0 (be16): off is 1, and this operation does not use it"),
        ("05 01 00 00 00 00 00 00", "instruction 0 (ja): dst is 1, and this operation does not use it"),
        ("05 00 00 00 01 00 00 00", "instruction 0 (ja): imm is 1, and this operation does not use it"),
        ("06 00 01 00 01 00 00 00", "instruction 0 (gotol): off is 1, and this operation does not use it"),
        ("95 03 00 00 00 00 00 00", "instruction 0 (exit): dst is 3, and this operation does not use it"),
        ("85 30 00 00 05 00 00 00", "instruction 0: opcode 0x85 (call) with src=3 off=0 imm=5 has no meaning"),
        ("85 00 02 00 05 00 00 00", "instruction 0 (call): off is 2, and this operation does not use it"),
        ("61 21 00 00 01 00 00 00", "instruction 0 (ldx32): imm is 1, and this operation does not use it"),
        ("7a 21 00 00 01 00 00 00", "instruction 0 (st64): src is 2, and this operation does not use it"),
        (
            "db 21 00 00 e0 00 00 00",
            "instruction 0: opcode 0xdb (load_acquire64) with src=2 off=0 imm=224 has no meaning",
        ),
        ("30 01 00 00 00 00 00 00", "instruction 0 (ldabs8): dst is 1, and this operation does not use it"),
        ("18 01 00 00 05 00 00 00", "instruction 0: the second half of this 64-bit load is missing"),
        (
            "18 01 00 00 05 00 00 00 95 00 00 00 00 00 00 00",
            "instruction 0: the second half of this 64-bit load has a field that is not 0",
        ),
        (
            "18 01 00 00 05 00 00 00 00 00 01 00 00 00 00 00",
            "instruction 0: the second half of this 64-bit load has a field that is not 0",
        ),
        (
            "18 71 00 00 05 00 00 00 00 00 00 00 00 00 00 00",
            "instruction 0: opcode 0x18 (lddw) with src=7 off=0 imm=5 has no meaning",
        ),
        (
            "18 01 02 00 05 00 00 00 00 00 00 00 00 00 00 00",
            "instruction 0 (lddw): off is 2, and this operation does not use it",
        ),
        (
            "18 11 00 00 05 00 00 00 00 00 00 00 01 00 00 00",
            "instruction 0 (lddw_map): the upper half of imm is 1, and must be 0",
        ),
    ],
)
def test_what_is_refused(code: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        decode(bytes.fromhex(code))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "one",
    [
        insn("mov64_k", imm=1 << 31),
        insn("mov64_k", imm=-(1 << 31) - 1),
        insn("ldx8", off=0x8000),
        insn("ja", off=-0x8001),
        insn("mov64_k", dst=16),
        insn("mov64_x", src=16),
        insn("mov64_k", dst=-1),
        insn("lddw", imm=1 << 64),
        insn("lddw", imm=-1),
    ],
)
def test_an_operand_that_does_not_fit_is_not_written(one: Insn) -> None:
    with pytest.raises(LoadError, match=r"^instruction 1 \(\w+\) has an operand too large for its field$"):
        encode([insn("exit"), one])


def test_slots_count_a_wide_instruction_twice() -> None:
    assert slots([insn("lddw"), insn("exit"), insn("lddw_map"), insn("exit")]) == [0, 2, 3, 5, 6]


@pytest.mark.parametrize("op", [op for op in OPS if op.off_is is None and "off" not in op.uses], ids=repr)
def test_an_unused_offset_is_refused_for_every_row(op: Op) -> None:
    code = bytearray(encode([Insn(op, src=op.src_is or 0, imm=op.imm_is or 0)]))
    code[2] = 1
    with pytest.raises(LoadError, match="off is 1, and this operation does not use it"):
        decode(bytes(code))


@pytest.mark.parametrize("endian", ["little", "big"])
def test_the_second_half_of_a_wide_instruction_holds_an_immediate_and_no_more(endian: str) -> None:
    wide = [op for op in OPS if op.kind is Kind.IMM64]
    for op in wide:
        whole = encode([Insn(op, src=op.src_is or 0)], endian)
        for at in range(8, 16):
            code = bytearray(whole)
            code[at] = 1
            if at >= 12 and "high" in op.uses:
                assert encode(decode(bytes(code), endian), endian) == code
                continue
            with pytest.raises(LoadError, match=r"second half .* not 0$|the upper half of imm is \d+, and must be 0$"):
                decode(bytes(code), endian)
    print(f"{8 * len(wide)} second halves")
    assert len(wide) == 7


def test_the_table_names_each_row_once() -> None:
    assert len(BY_NAME) == len(OPS)
