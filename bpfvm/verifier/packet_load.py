"""Legacy packet loads (RFC 9669 5.5): r6 is the context, r0 gets the bytes, and one past the end ends the program."""

from __future__ import annotations

from bpfvm.isa.insn import Insn
from bpfvm.verifier.regs import CTX, unknown
from bpfvm.verifier.walk import Walk


def check_packet_load(walk: Walk) -> None:
    """Programs of this type have such loads."""
    if not walk.setting.row.ld_abs:
        walk.refuse("BPF_LD_[ABS|IND] instructions not allowed for this program type")


def load_packet(walk: Walk, one: Insn) -> None:
    """r0 = packet bytes at imm (+ src)."""
    check_packet_load(walk)
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
    walk.touched_regs.add(0)
    walk.clobber(range(6))
    walk.set(0, unknown())  # of the width of the load the verifier makes nothing
