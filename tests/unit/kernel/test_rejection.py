"""Verifier logs, read: reason, instruction, source line. The logs were written by 6.18 for programs made for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.core.machine import Location
from bpfvm.isa.insn import insn
from bpfvm.kernel.programs.rejection import Reading, read_log, rejection
from bpfvm.obj.model import ProgramSpec

STATISTICS = (
    "processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"
)  # fmt: skip

PACKET = f"""\
0: R1=ctx() R10=fp0
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=pkt(r=0)
1: (71) r0 = *(u8 *)(r2 +14)
invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)
R2 offset is outside of the packet
{STATISTICS}"""

# the reason on the jump's own line
LOOP = f"""\
0: R1=ctx() R10=fp0
0: (85) call bpf_get_prandom_u32#7    ; R0=scalar()
1: (07) r0 += 1                       ; R0=scalar()
2: (55) if r0 != 0x0 goto pc-2 1: R0=scalar(umin=1) R10=fp0
1: (07) r0 += 1                       ; R0=scalar()
2: (55) if r0 != 0x0 goto pc-2 infinite loop detected at insn 1
cur state: R0=scalar(umin=1) R10=fp0
old state: R0=scalar(umin=1) R10=fp0
{STATISTICS}"""

# the walk ended before the instruction that the reason names
LATER = f"""\
0: R1=ctx() R10=fp0
0: (85) call bpf_get_prandom_u32#7    ; R0=scalar()
3: (07) r0 += 1
infinite loop detected at insn 4
cur state: R0=scalar() R10=fp0
old state: R0=Pscalar() R10=fp0
{STATISTICS}"""

CALL = f"""\
0: R1=ctx() R10=fp0
0: (b7) r1 = 0                        ; R1=0
1: (85) call pc+1
caller:
 R10=fp0
callee:
 frame1: R1=0 R10=fp0
3: frame1: R1=0 R10=fp0
3: (15) if r1 == 0x5 goto pc+1        ; frame1: R1=0
4: (bf) r0 = r9
R9 !read_ok
{STATISTICS}"""

READINGS = [
    (PACKET, Reading(
        ("invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)", "R2 offset is outside of the packet"),
        1, "r0 = *(u8 *)(r2 +14)",
    )),
    (LOOP, Reading(("infinite loop detected at insn 1",), 1, "r0 += 1")),
    (LATER, Reading(("infinite loop detected at insn 4",), 4, None)),
    (CALL, Reading(("R9 !read_ok",), 4, "r0 = r9")),
    ("unreachable insn 2\n" + STATISTICS, Reading(("unreachable insn 2",), 2, None)),
    ("jump out of range from insn 0 to 6\n", Reading(("jump out of range from insn 0 to 6",), 0, None)),
    ("last insn is not an exit or jmp\n" + STATISTICS, Reading(("last insn is not an exit or jmp",))),
    (STATISTICS, Reading(())),
    ("", Reading(())),
]  # fmt: skip


@pytest.mark.parametrize(("log", "reading"), READINGS)
def test_logs(log: str, reading: Reading) -> None:
    assert read_log(log) == reading


def program(*lines: tuple[int, Location]) -> ProgramSpec:
    return ProgramSpec("first", "xdp", "xdp", (insn("mov64_k", 0), insn("exit")), dict(lines))


def test_message_and_log(tmp_path: Path) -> None:
    source = tmp_path / "first.py"
    source.write_text("def first(pkt):\n    return pkt[14]\n")
    reason = "invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0); R2 offset is outside of the packet"
    error = rejection(program((0, Location(str(source), 2, 12))), PACKET, "EINVAL")
    assert str(error) == f"{reason}, at {source}:2 `return pkt[14]`, instruction 1: r0 = *(u8 *)(r2 +14)"
    assert error.log == PACKET
    assert str(rejection(program(), PACKET, "EINVAL")) == f"{reason}, at instruction 1: r0 = *(u8 *)(r2 +14)"
    assert str(rejection(program(), STATISTICS, "what")) == "the verifier gave no reason (what)"
