"""Machine code of the native tier, as ratios to the kernel's JIT and to native C, on the same programs in the same run.

One C file is compiled for BPF (clang -O2 -mcpu=v3) and for the host (clang -O2). All run a program many times on one
packet in a loop of their own; what an empty program takes there is subtracted, and shown. Times are CPU times, ns, the
least of several rounds, in which the machines take turns. `safe` is the native tier as loops over captures have it: a
program that cannot need more than the budget is not held against it. `counted` counts what is executed, as these loops
do with --json; `checked` has exact bounds, too.
"""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bpfvm.core.machine import Entries, Input
from bpfvm.emulator import Emulator, Loaded
from bpfvm.emulator.native.code.engine import Compiled, level, missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.state import INDEX
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object

SOURCE = Path(__file__).with_name("_native_programs.c")
MACHINES = ("safe", "counted", "checked", "kernel", "C")
ROUNDS, SECONDS = 7, 0.05
TO_KERNEL, TO_C = 1.1, 1.2  # at most: each program's time to the kernel's, all but calls to C's

ETHERNET, FRAME = bytes(12), 64
IPV4 = b"\x45" + bytes(8) + b"\x06" + bytes(2) + b"\x0a\x00\x00\x01" + bytes(6) + b"\x01\xbb"
IPV6 = b"\x60" + bytes(5) + b"\x11" + bytes(35) + b"\x00\x35"
KINDS = (
    ETHERNET + b"\x08\x00" + IPV4, ETHERNET + b"\x81\x00\x00\x07\x08\x00" + IPV4, ETHERNET + b"\x86\xdd" + IPV6,
    ETHERNET + b"\x08\x00" + IPV4.replace(b"\x01\xbb", b"\x00\x50"),
)  # fmt: skip
PACKET = (b"".join(one.ljust(FRAME, b"\0") for one in KINDS) * 6)[:1500]  # a row of frames, for programs on each
Run = Callable[[int], float]
MAPS: Mapping[str, Mapping[str, Entries]] = {"hashmap": {"flows": [(b"\x0a\x00\x00\x01", bytes(8))]}}

# The program over and over, each time with its budget anew, as the loop over a capture does it
REPEAT = f"""
define i64 @repeat(ptr noalias %st, i64 %context, i64 %times, i64 %budget) {{
entry:
  %executed = getelementptr i64, ptr %st, i64 {INDEX["executed"]}
  %left = getelementptr i64, ptr %st, i64 {INDEX["left"]}
  br label %loop
loop:
  %turn = phi i64 [ 0, %entry ], [ %next, %loop ]
  %sum = phi i64 [ 0, %entry ], [ %more, %loop ]
  store i64 0, ptr %executed
  store i64 %budget, ptr %left
  call void asm sideeffect "", "~{{memory}}"()
  %r = call fastcc i64 @f0(i64 %context, i64 0, i64 0, i64 0, i64 0, i64 0, ptr %st)
  %more = add i64 %sum, %r
  %next = add i64 %turn, 1
  %on = icmp ult i64 %next, %times
  br i1 %on, label %loop, label %out
out:
  ret i64 %sum
}}
"""


def build(folder: Path) -> tuple[ObjectSpec, ctypes.CDLL]:
    """The programs as an object, and as a library of the host."""
    clang = next((name for name in ("clang-19", "clang") if shutil.which(name)), None)
    if clang is None:
        raise SystemExit("clang is not installed")
    bpf, host = folder / "programs.o", folder / "programs.so"
    quiet = ["-O2", "-Wno-unused", str(SOURCE)]
    subprocess.run([clang, "-g", "-target", "bpf", "-mcpu=v3", "-c", *quiet, "-o", str(bpf)], check=True)
    subprocess.run([clang, "-shared", "-fPIC", *quiet, "-o", str(host)], check=True)
    return read_object(bpf), ctypes.CDLL(str(host))


def least(runs: Mapping[str, Run]) -> dict[str, float]:
    """The least time of one run by machine, ns. runs: what makes so many runs, and gives the CPU time of all."""
    times = dict.fromkeys(runs, 1)
    for machine, run in runs.items():
        while run(times[machine]) < SECONDS / 4 and times[machine] < 1 << 28:
            times[machine] *= 2
    rounds = [{machine: run(times[machine]) / times[machine] for machine, run in runs.items()} for _ in range(ROUNDS)]
    return {machine: min(one[machine] for one in rounds) * 1e9 for machine in runs}


def timed(call: Callable[[], object]) -> float:
    """CPU time of a call, seconds."""

    start = time.thread_time()
    call()
    return time.thread_time() - start


@contextmanager
def emulated(spec: ObjectSpec, name: str, safe: bool, counts: bool) -> Iterator[tuple[int, Run]]:
    """What a program returns, and its loop."""
    with Emulator("native", safe=safe).load(spec, name, MAPS.get(name, {})) as loaded:
        result = loaded.run(Input(packet=PACKET))
        if result.fault is not None:
            raise SystemExit(f"{name}: {result.fault}")
        yield result.r0 & 0xFFFF_FFFF, _repeat(loaded, counts)


def _repeat(loaded: Loaded, counts: bool) -> Run:
    tier = loaded.tier
    assert isinstance(tier, Runtime)
    built = tier.built(loaded.code, ())
    assert built is not None
    module = tier.untested(loaded.code, counts) or built.module
    compiled = Compiled(module.body + REPEAT, ["repeat"], level(built.size))
    form = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * 3)
    function = form(compiled.addresses["repeat"])
    state, context = ctypes.addressof(tier.state), loaded.context(Input(packet=PACKET)).pointer().address
    tier.moved()

    def run(times: int, keep: Compiled = compiled) -> float:
        return timed(lambda: function(state, context, times, loaded.budget))

    return run


@contextmanager
def in_kernel(spec: ObjectSpec, name: str) -> Iterator[tuple[int, Run] | str]:
    """The same of the kernel, by BPF_PROG_TEST_RUN, whose own clock has no parts of a ns; or why not."""
    from bpfvm.kernel import KERNEL, available

    reason = available()
    if reason is not None:
        yield reason
        return
    with KERNEL.load(spec, name, MAPS.get(name, {})) as loaded:
        given = Input(packet=PACKET)
        yield loaded.repeat(given, 1)[0].r0 & 0xFFFF_FFFF, lambda times: timed(lambda: loaded.repeat(given, times))


@contextmanager
def in_c(library: ctypes.CDLL, name: str) -> Iterator[tuple[int, Run] | str]:
    """The same of the host's compiler."""
    if name == "hashmap":
        yield "the program is about a map"
        return
    function = getattr(library, name)
    function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64), ctypes.c_uint64
    buffer = ctypes.create_string_buffer(PACKET, len(PACKET))
    start = ctypes.addressof(buffer)
    end = start + len(PACKET)
    yield function(start, end, 1) & 0xFFFF_FFFF, lambda times: timed(lambda: function(start, end, times))


def main() -> None:
    """Print a row for each program."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    with tempfile.TemporaryDirectory() as folder:
        spec, library = build(Path(folder))
        fixed: dict[str, float] = {}
        print(f"{'ns':<12}{''.join(f'{machine:>13}' for machine in MACHINES)}{'/kernel':>9}{'/C':>7}")
        ratios = [row(spec, library, name, fixed) for name in spec.programs]
    known = [one for one in ratios if one is not None]
    mean = math.exp(sum(map(math.log, known)) / len(known))
    print(f"{'mean to C':<12}{mean:>81.2f}, at most {TO_C}, calls and empty programs left out")


def row(spec: ObjectSpec, library: ctypes.CDLL, name: str, fixed: dict[str, float]) -> float | None:
    """Print one; its ratio to C. fixed: what an empty program takes, by machine, filled by the first."""
    with ExitStack() as opened:
        made: dict[str, tuple[int, Run] | str] = {
            "safe": opened.enter_context(emulated(spec, name, safe=True, counts=False)),
            "counted": opened.enter_context(emulated(spec, name, safe=True, counts=True)),
            "checked": opened.enter_context(emulated(spec, name, safe=False, counts=True)),
            "kernel": opened.enter_context(in_kernel(spec, name)),
            "C": opened.enter_context(in_c(library, name)),
        }
        found = {machine: one for machine, one in made.items() if not isinstance(one, str)}
        if len({result for result, _ in found.values()}) > 1:
            raise SystemExit(f"{name}: {', '.join(f'{machine} {result}' for machine, (result, _) in found.items())}")
        spent = least({machine: run for machine, (_, run) in found.items()})
    if name == "null":
        fixed.update(spent)
    net = {machine: max(time - (fixed[machine] if name != "null" else 0), 0.01) for machine, time in spent.items()}
    to_kernel = net["safe"] / net["kernel"] if "kernel" in net else math.nan
    to_c = net["safe"] / net["C"] if "C" in net else math.nan
    shown = "".join(f"{net[one]:>13.1f}" if one in net else f"{'-':>13}" for one in MACHINES)
    above = "  above" if to_kernel > TO_KERNEL and name != "null" else ""
    print(f"{name:<12}{shown}{to_kernel:>9.2f}{to_c:>7.2f}{above}")
    if isinstance(made["kernel"], str):
        print(f"  not in the kernel: {made['kernel']}")
    return to_c if name not in ("null", "calls", "sequence") and "C" in net else None


if __name__ == "__main__":
    main()
