"""Legacy packet loads (RFC 9669 5.5): r6 is the context, r0 gets the bytes, and one past the end ends the program."""

from __future__ import annotations

from bpfvm.isa.insn import Insn
from bpfvm.verifier.regs import CTX, unknown
from bpfvm.verifier.scalar import truncate
from bpfvm.verifier.walk import Walk


def load_packet(walk: Walk, one: Insn) -> None:
    """r0 = packet bytes at imm (+ src)."""
    if not walk.setting.row.ld_abs:
        walk.refuse("BPF_LD_[ABS|IND] instructions not allowed for this program type")
    if len(walk.code.starts) > 1:
        walk.undecided("legacy packet loads in a program with subprograms")
    reg = walk.source(6)
    if reg.kind != CTX:
        walk.refuse("at the time of BPF_LD_ABS|IND R6 != pointer to skb")
    if "src" in one.op.uses:
        walk.source(one.src)
    if reg.off or reg.m or reg.v:
        walk.undecided("a changed context pointer in a legacy packet load")
    for ref in walk.state.refs:
        walk.undecided(f"a legacy packet load while reference {ref.id} is held")
    walk.clobber(range(6))
    new = unknown()
    if one.op.bits < 32:
        truncate(new, one.op.bits // 8)
    walk.set(0, new)
