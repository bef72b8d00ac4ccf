"""Instructions per second of the portable tier, as ratios to the reference tier in the same run.

Five programs, each about one thing: arithmetic (P1), bytes of a packet (P2), headers of a packet (P3), a look-up in a
hash map and an addition there (P4), two levels of calls (P5). Times are the least of several rounds of thread CPU time;
both tiers must give the same result and the same number of instructions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator import INTERP, PORTABLE
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

ROUNDS, SECONDS = 5, 0.15

P1 = """
r2 = 88172645
r6 = 20000
loop: r3 = r2
r3 <<= 13
r2 ^= r3
r3 = r2
r3 >>= 7
r2 ^= r3
r3 = r2
r3 <<= 17
r2 ^= r3
r3 = r2
r3 *= r6
r2 += r3
r6 += -1
if r6 != 0 goto loop
r0 = r2
exit
"""

P2 = """
r6 = *(u32 *)(r1 +4)
r2 = *(u32 *)(r1 +0)
r0 = 0
loop: r3 = r2
r3 += 1
if r3 > r6 goto out
r4 = *(u8 *)(r2 +0)
r0 += r4
r2 = r3
goto loop
out: exit
"""

P3 = """
r2 = *(u32 *)(r1 +4)
r1 = *(u32 *)(r1 +0)
r0 = 2
r3 = r1
r3 += 54
if r3 > r2 goto out
r3 = *(u16 *)(r1 +12)
if r3 != 8 goto out
r3 = *(u8 *)(r1 +14)
r3 &= 15
if r3 != 5 goto out
r3 = *(u8 *)(r1 +23)
if r3 != 6 goto out
r3 = *(u16 *)(r1 +36)
r3 = be16 r3
if r3 != 80 goto out
r0 = 1
out: exit
"""

P4 = """
r2 = *(u32 *)(r1 +4)
r1 = *(u32 *)(r1 +0)
r0 = 2
r3 = r1
r3 += 34
if r3 > r2 goto out
r3 = *(u16 *)(r1 +12)
if r3 != 8 goto out
r3 = *(u32 *)(r1 +26)
*(u32 *)(r10 -4) = r3
r2 = r10
r2 += -4
r1 = map[flows]
call 1
if r0 == 0 goto pass
r1 = 1
lock *(u64 *)(r0 +0) += r1
pass: r0 = 2
out: exit
"""

P5 = """
r6 = 1000
r7 = 0
loop: r1 = r7
r1 += r6
call f
r7 = r0
r6 += -1
if r6 != 0 goto loop
r0 = r7
exit
f: r1 += 7
*(u64 *)(r10 -8) = r1
call g
r1 = *(u64 *)(r10 -8)
r0 += r1
exit
g: r2 = r1
r2 *= 3
r0 = r2
r0 ^= 85
exit
"""

_IPV4 = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(2) + b"\x0a\x00\x00\x01" + bytes(6) + b"\x00\x50"
_TCP = _IPV4 + bytes(26)


@dataclass(frozen=True, slots=True)
class Load:
    """One program and its input. floor: the least ratio of the portable tier to the reference that is good."""

    text: str
    floor: int
    given: Input
    type: str = "xdp"
    maps: Mapping[str, Entries] = field(default_factory=dict)

    def spec(self) -> ObjectSpec:
        """An object of the one program, called "p"."""
        flows = {"flows": MapSpec("flows", "hash", 4, 8, 1024)} if self.maps else {}
        program = ProgramSpec("p", self.type, self.type, tuple(assemble(self.text)))
        return ObjectSpec({"p": program}, flows)


LOADS: Mapping[str, Load] = {
    "P1 arithmetic": Load(P1, 5, Input(ctx=b""), "syscall"),
    "P2 bytes": Load(P2, 5, Input(packet=bytes(range(250)) * 6)),
    "P3 headers": Load(P3, 2, Input(packet=_TCP)),
    "P4 hash map": Load(P4, 2, Input(packet=_TCP), maps={"flows": [(b"\x0a\x00\x00\x01", bytes(8))]}),
    "P5 calls": Load(P5, 5, Input(ctx=b""), "syscall"),
}


def least(run: Callable[[], Result], times: int) -> float:
    """The least CPU time of one run, seconds: rounds of `times` runs."""
    spent = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(times):
            run()
        spent.append((time.thread_time() - start) / times)
    return min(spent)


def measure(load: Load) -> tuple[Result, dict[str, float]]:
    """What a run gives, and its CPU time, seconds, by engine."""
    results, spent = [], {}
    for engine in (INTERP, PORTABLE):
        with engine.load(load.spec(), "p", load.maps) as loaded:
            results.append(loaded.run(load.given))  # the first run translates
            once = least(lambda: loaded.run(load.given), 1)
            spent[engine.name] = least(lambda: loaded.run(load.given), max(1, int(SECONDS / once)))
    first, second = results
    if first.fault or (first.r0, first.insns) != (second.r0, second.insns):
        raise SystemExit(f"the tiers differ: {first} and {second}")
    return first, spent


def main() -> None:
    """Print a row for each program."""
    print(f"{'program':<15}{'insns':>9}{'reference M/s':>15}{'portable M/s':>14}{'ratio':>8}{'at least':>10}")
    for name, load in LOADS.items():
        result, spent = measure(load)
        rate = {engine: result.insns / seconds / 1e6 for engine, seconds in spent.items()}
        ratio = spent["interp"] / spent["portable"]
        print(
            f"{name:<15}{result.insns:>9}{rate['interp']:>15.2f}{rate['portable']:>14.2f}{ratio:>8.1f}{load.floor:>10}"
            f"{'' if ratio >= load.floor else '  below'}"
        )


if __name__ == "__main__":
    main()
