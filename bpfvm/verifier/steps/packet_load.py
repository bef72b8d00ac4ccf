"""Legacy packet loads (RFC 9669 5.5): r6 is the context, r0 gets the bytes, and one past the end ends the program."""

from __future__ import annotations

from bpfvm.isa.insn import Insn
from bpfvm.verifier.domain.regs import CTX, number, unknown
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.branch import push
from bpfvm.verifier.steps.subprogram import back


def check_packet_load(walk: Walk) -> None:
    """Programs of this type have such loads."""
    if not walk.setting.row.ld_abs:
        walk.refuse("BPF_LD_[ABS|IND] instructions not allowed for this program type")


def load_packet(walk: Walk, one: Insn) -> int | None:
    """r0 = packet bytes at imm (+ src). In a function, a load past the end returns 0 to the caller."""
    check_packet_load(walk)
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
    if len(walk.state.frames) == 1:
        return walk.at + 1
    push(walk, walk.at + 1)
    walk.set(0, number(0))
    return back(walk)
