"""Machine code of the native tier, as ratios to the kernel's JIT and to native C, on the same programs in the same run.

One C file is compiled for BPF (clang -O2 -mcpu=v3) and for the host (clang -O2). All three run a program many times on
one packet in a loop of their own; what an empty program takes there is subtracted, and shown. Times are the least of
several rounds, ns. `checked` is the native tier with exact bounds.
"""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Entries, Input
from bpfvm.emulator import Emulator, Loaded
from bpfvm.emulator.native.engine import Compiled, level, missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.state import INDEX
from bpfvm.obj.elf_read import read_object
from bpfvm.obj.model import ObjectSpec

SOURCE = Path(__file__).with_name("_native_programs.c")
ROUNDS, SECONDS = 5, 0.05
TO_KERNEL, TO_C = 1.1, 1.2  # at most: each program's time to the kernel's, all but calls to C's

ETHERNET, FRAME = bytes(12), 64
IPV4 = b"\x45" + bytes(8) + b"\x06" + bytes(2) + b"\x0a\x00\x00\x01" + bytes(6) + b"\x01\xbb"
IPV6 = b"\x60" + bytes(5) + b"\x11" + bytes(35) + b"\x00\x35"
KINDS = (
    ETHERNET + b"\x08\x00" + IPV4, ETHERNET + b"\x81\x00\x00\x07\x08\x00" + IPV4, ETHERNET + b"\x86\xdd" + IPV6,
    ETHERNET + b"\x08\x00" + IPV4.replace(b"\x01\xbb", b"\x00\x50"),
)  # fmt: skip
PACKET = (b"".join(one.ljust(FRAME, b"\0") for one in KINDS) * 6)[:1500]  # a row of frames, for programs on each
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


def least(run: Callable[[int], float]) -> float:
    """The least time of one run, ns. run: makes so many runs, and gives the time of all in seconds."""
    times = 1
    while run(times) < SECONDS / 4 and times < 1 << 28:
        times *= 2
    return min(run(times) for _ in range(ROUNDS)) / times * 1e9


def timed(call: Callable[[], object]) -> float:
    """CPU time of a call, seconds."""

    start = time.thread_time()
    call()
    return time.thread_time() - start


def emulated(spec: ObjectSpec, name: str, safe: bool) -> tuple[int, float]:
    """What a program returns, and the time of a run."""
    with Emulator("native", safe=safe).load(spec, name, MAPS.get(name, {})) as loaded:
        result = loaded.run(Input(packet=PACKET))
        if result.fault is not None:
            raise SystemExit(f"{name}: {result.fault}")
        return result.r0 & 0xFFFF_FFFF, least(_repeat(loaded))


def _repeat(loaded: Loaded) -> Callable[[int], float]:
    tier = loaded.tier
    assert isinstance(tier, Runtime)
    built = tier.built(loaded.code, ())
    assert built is not None
    module = (tier.uncounted(loaded.code) if tier.safe else None) or built.module
    compiled = Compiled(module.body + REPEAT, ["repeat"], level(built.size))
    form = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * 3)
    function = form(compiled.addresses["repeat"])
    state, context = ctypes.addressof(tier.state), loaded.context(Input(packet=PACKET)).pointer().address
    tier.moved()

    def run(times: int, keep: Compiled = compiled) -> float:
        return timed(lambda: function(state, context, times, loaded.budget))

    return run


def in_kernel(spec: ObjectSpec, name: str) -> tuple[int, float] | str:
    """The same of the kernel, by BPF_PROG_TEST_RUN; or why not."""
    from bpfvm.kernel import KERNEL, available

    reason = available()
    if reason is not None:
        return reason
    try:
        with KERNEL.load(spec, name, MAPS.get(name, {})) as loaded:
            result, _ = loaded.repeat(Input(packet=PACKET), 1)
            spent = least(lambda times: loaded.repeat(Input(packet=PACKET), times)[1] * times / 1e9)
            return result.r0 & 0xFFFF_FFFF, spent
    except BpfvmError as error:
        return str(error)


def in_c(library: ctypes.CDLL, name: str) -> tuple[int, float] | None:
    """The same of the host's compiler, None for a program on maps."""
    if name == "hashmap":
        return None
    function = getattr(library, name)
    function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64), ctypes.c_uint64
    buffer = ctypes.create_string_buffer(PACKET, len(PACKET))
    start = ctypes.addressof(buffer)
    end = start + len(PACKET)
    return function(start, end, 1) & 0xFFFF_FFFF, least(lambda times: timed(lambda: function(start, end, times)))


def main() -> None:
    """Print a row for each program."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    with tempfile.TemporaryDirectory() as folder:
        spec, library = build(Path(folder))
        fixed: dict[str, float] = {}
        print(f"{'program':<12}{'safe ns':>12}{'checked ns':>12}{'kernel ns':>12}{'C ns':>12}{'/kernel':>9}{'/C':>7}")
        ratios = [row(spec, library, name, fixed) for name in spec.programs]
    known = [one for one in ratios if one is not None]
    mean = math.exp(sum(map(math.log, known)) / len(known))
    print(f"{'mean to C':<12}{mean:>64.2f}, at most {TO_C}, calls and empty programs left out")


def row(spec: ObjectSpec, library: ctypes.CDLL, name: str, fixed: dict[str, float]) -> float | None:
    """Print one; its ratio to C. fixed: what an empty program takes, by machine, filled by the first."""
    (want, safe), (again, checked) = emulated(spec, name, True), emulated(spec, name, False)
    kernel, host = in_kernel(spec, name), in_c(library, name)
    for got in (again, kernel if isinstance(kernel, str) else kernel[0], host[0] if host is not None else want):
        if isinstance(got, int) and got != want:
            raise SystemExit(f"{name}: {want} and {got}")
    spent = {"safe": safe, "checked": checked}
    spent |= {} if isinstance(kernel, str) else {"kernel": kernel[1]}
    spent |= {} if host is None else {"C": host[1]}
    if name == "null":
        fixed.update(spent)
    net = {machine: max(time - (fixed[machine] if name != "null" else 0), 0.01) for machine, time in spent.items()}
    to_kernel = net["safe"] / net["kernel"] if "kernel" in net else math.nan
    to_c = net["safe"] / net["C"] if "C" in net else math.nan
    shown = "".join(f"{net[one]:>12.1f}" if one in net else f"{'-':>12}" for one in ("safe", "checked", "kernel", "C"))
    above = "  above" if to_kernel > TO_KERNEL and name != "null" else ""
    print(f"{name:<12}{shown}{to_kernel:>9.2f}{to_c:>7.2f}{above}")
    if isinstance(kernel, str):
        print(f"  not in the kernel: {kernel}")
    return to_c if name not in ("null", "calls", "sequence") and "C" in net else None


if __name__ == "__main__":
    main()
