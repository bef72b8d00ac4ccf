"""What pointers point to is gone: from then on they are numbers that nothing is known of."""

from __future__ import annotations

from bpfvm.verifier.domain.regs import END, IN_PACKET, MEM, PACKETS, unknown
from bpfvm.verifier.paths.walk import Walk, put


def release(walk: Walk, ref: int) -> None:
    """A reference is given back: nothing points to what it was any more."""
    state = walk.state
    state.refs = tuple(one for one in state.refs if one.id != ref)
    for frame, is_reg, at, reg in walk.every_reg(state):
        if reg.ref == ref:
            put(state, frame, is_reg, at, unknown())


def forget_packets(walk: Walk) -> None:
    """The packet may have moved: pointers into it are numbers now."""
    for frame, is_reg, at, reg in walk.every_reg(walk.state):
        if reg.kind in PACKETS or reg.kind == END or (reg.kind == MEM and reg.frame == IN_PACKET):
            put(walk.state, frame, is_reg, at, unknown())
