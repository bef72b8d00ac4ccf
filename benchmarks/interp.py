"""Instructions per second of the reference tier, as a ratio to a naive interpreter in the same run.

The naive interpreter knows plain integers and eight opcodes, checks nothing and keeps no account: about the least that
an interpreter in Python can do. Both run the same loops; times are the least of several rounds of thread CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP
from bpfvm.isa.codec import decode, encode
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.model import ObjectSpec, ProgramSpec

ROUNDS, TRIPS = 5, 20_000
M64 = (1 << 64) - 1

# name -> a loop of TRIPS trips over r6; the loop's own two instructions are added behind it
BODIES: dict[str, list[Insn]] = {
    "arithmetic": [
        insn("mov64_x", 3, 2),
        insn("lsh64_k", 3, imm=13),
        insn("xor64_x", 2, 3),
        insn("mov64_x", 3, 2),
        insn("rsh64_k", 3, imm=7),
        insn("xor64_x", 2, 3),
        insn("add64_k", 2, imm=1),
    ],
    "memory": [
        insn("stx64", 10, 2, -8),
        insn("ldx64", 3, 10, -8),
        insn("add64_x", 2, 3),
        insn("add64_k", 2, imm=1),
    ],
}


def program(body: list[Insn]) -> list[Insn]:
    """The body in a loop, and r2 as the result."""
    start = [insn("mov64_k", 2, imm=88172645), insn("mov64_k", 6, imm=TRIPS)]
    back = [insn("sub64_k", 6, imm=1), insn("jne64_k", 6, off=-len(body) - 2)]
    return [*start, *body, *back, insn("mov64_x", 0, 2), insn("exit")]


def naive(code: list[tuple[int, int, int, int, int]]) -> tuple[int, int]:
    """r0 and the number of instructions executed."""
    regs, stack, pc, count = [0] * 11, bytearray(512), 0, 0
    while True:
        opcode, dst, src, off, imm = code[pc]
        pc += 1
        count += 1
        if opcode == 0x07:
            regs[dst] = regs[dst] + imm & M64
        elif opcode == 0x0F:
            regs[dst] = regs[dst] + regs[src] & M64
        elif opcode == 0x17:
            regs[dst] = regs[dst] - imm & M64
        elif opcode == 0xB7:
            regs[dst] = imm & M64
        elif opcode == 0xBF:
            regs[dst] = regs[src]
        elif opcode == 0x67:
            regs[dst] = regs[dst] << (imm & 63) & M64
        elif opcode == 0x77:
            regs[dst] = regs[dst] >> (imm & 63)
        elif opcode == 0xAF:
            regs[dst] ^= regs[src]
        elif opcode == 0x7B:
            stack[512 + off : 520 + off] = regs[src].to_bytes(8, "little")
        elif opcode == 0x79:
            regs[dst] = int.from_bytes(stack[512 + off : 520 + off], "little")
        elif opcode == 0x55:
            if regs[dst] != imm & M64:
                pc += off
        else:
            return regs[0], count


def least(run: Callable[[], tuple[int, int]]) -> tuple[float, tuple[int, int]]:
    """The least CPU time of several runs, seconds, and what the runs gave."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        result = run()
        times.append(time.thread_time() - start)
    return min(times), result


def main() -> None:
    """Print a row for each loop."""
    print(f"{'loop':<12}{'naive M/s':>12}{'reference M/s':>15}{'ratio':>8}")
    for name, body in BODIES.items():
        insns = decode(encode(program(body)))
        raw = [(one.op.code, one.dst, one.src, one.off, one.imm) for one in insns]
        spec = ObjectSpec({name: ProgramSpec(name, "syscall", "syscall", tuple(insns))}, {})
        base, (want, count) = least(partial(naive, raw))
        with INTERP.load(spec, name, {}) as loaded:

            def reference() -> tuple[int, int]:
                result = loaded.run(Input(ctx=b""))
                return result.r0, result.insns

            spent, got = least(reference)
        if got != (want, count):
            raise SystemExit(f"{name}: the reference tier gives {got}, the naive interpreter {(want, count)}")
        print(f"{name:<12}{count / base / 1e6:>12.2f}{count / spent / 1e6:>15.2f}{base / spent:>8.2f}")


if __name__ == "__main__":
    main()
