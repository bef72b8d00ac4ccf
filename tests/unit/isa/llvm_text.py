"""Our text of instructions in the spelling of llvm-objdump 19; bpfvm/isa/disasm.py says how they differ."""

from __future__ import annotations

import re

from bpfvm.core.bits import signed
from bpfvm.isa.disasm import text
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import OPS, Kind

# What llvm-objdump 19 cannot say: it knows no ordered loads and stores and no gotox, and prints symbols' loads and
# calls of kernel functions without all of their operands
NOT_IN_LLVM = tuple(
    op for op in OPS
    if op.kind in (Kind.LOAD_ACQUIRE, Kind.STORE_RELEASE)
    or (op.kind is Kind.IMM64 and op.name != "lddw")
    or op.name in ("call_kfunc", "gotox")
)  # fmt: skip


def as_llvm(one: Insn) -> str:
    """Our text of an instruction that names no symbol, in llvm-objdump's spelling."""
    op, words = one.op, text(one)
    if op.name == "lddw":
        return f"r{one.dst} = {signed(one.imm, 64):#x} ll"
    if op.kind is Kind.CAST:
        return re.sub(r"(?<=, )\d+", lambda met: f"{int(met[0]):#x}", words)
    if op.kind is Kind.CALL and "imm" in op.uses:
        return f"call {one.imm:#x}"
    if op.kind is Kind.JUMP and op.operand == "imm":
        words = re.sub(r"0x[0-9a-f]+", f"{one.imm:#x}", words)
    words = re.sub(r"pc([+-])(\d+)", lambda met: f"{met[1]}{int(met[2]):#x}", words)
    words = re.sub(r"\((r\d+) ([+-])(\d+)\)", lambda met: f"({met[1]} {met[2]} {int(met[3]):#x})", words)
    words = re.sub(r"(= |[-+*/%&|^>]= |<<= |>>= |skb\[)(-?\d+)\b", lambda met: f"{met[1]}{int(met[2]):#x}", words)
    if op.kind is Kind.PACKET:
        return re.sub(r" \+ 0\]", "]", words)
    if op.kind in (Kind.LOAD, Kind.STORE, Kind.ATOMIC) and op.bits < 64:
        words = re.sub(r"^r(?=\d)|(?<=[=] )r(?=\d+$)|(?<=, )r(?=\d)", "w", words)
    if op.kind is Kind.ATOMIC:
        words = _exchange(one, words.replace("atomic64_", "atomic_"))
    return words


def _exchange(one: Insn, words: str) -> str:
    width = "64" if one.op.bits == 64 else "32_32"
    words = re.sub(
        r"atomic_(cmp)?xchg\(\(u\d+ \*\)\(([^)]*)\)", rf"\1xchg{'' if width[0] == '3' else '_'}{width}(\2", words
    )
    return re.sub(r"^lock (.*) r(\d+)$", rf"lock \1 {'r' if one.op.bits == 64 else 'w'}\2", words)
