"""`bpfvm run` on a million packets: its part of the bandwidth of reading the mapped file once, and its whole CPU time.

Three programs, a parser of headers, a counter of packets by source in a hash map, and one that counts hops down in the
packets, on a mix of sizes, on the same as tcpdump writes it, 4 KB at a time, so that the page cache has it in small
pieces, and on packets of 64 bytes. The limit is a loop of vector loads over the file, which is mapped anew each round.
`packets` is the command's loop with its mappings, `run` all of the command in a process where everything is imported
and compiled, `command` a process of its own. Rounds are interleaved; what is compared are medians of CPU times.
`call` is one BPF_PROG_TEST_RUN a packet, by a compiled loop that does nothing else, in the same rounds; `times` says
how much longer that takes than `packets`, and `limit` how much longer than to read the file: more no machine gives.
`kernel` is engine kernel of the same command.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import mmap
import os
import platform
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._flows import SOURCE, counted
from benchmarks.tiers import P3
from bpfvm.cli import status
from bpfvm.core.machine import Input
from bpfvm.emulator.native.code.engine import FULL, Compiled, missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object
from bpfvm.program import load
from bpfvm.run.session import Session

ROUNDS, PACKETS, SOURCES, TESTED = 5, 1_000_000, 1000, 20_000
SIZES = [64] * 7 + [576] * 4 + [1500]
MIXES = {
    "mixed": (SIZES, 1 << 22),
    "dumped": (SIZES, 1 << 12),
    "64 bytes": ([64], 1 << 20),
}  # written so many at a time
PARTS = {"mixed": 0.65, "64 bytes": 0.35}  # of the limit, at least, for programs that only read
TTL = """
r2 = *(u32 *)(r1 +4)
r1 = *(u32 *)(r1 +0)
r0 = 1
r3 = r1
r3 += 34
if r3 > r2 goto out
r3 = *(u8 *)(r1 +22)
r3 += -1
*(u8 *)(r1 +22) = r3
r0 = 3
out: exit
"""
PROGRAMS = {"parser": P3, "counter": f"{SOURCE}{counted('out')}r0 = 2\nout: exit\n", "hops": TTL}
TIMES, SECONDS = 50, 0.4  # as fast as one TEST_RUN a packet, at least; of CPU for the command on the mix, at most

READ = """
define i64 @read(ptr %at, i64 %size) {
entry:
  br label %loop
loop:
  %place = phi i64 [ 0, %entry ], [ %next, %loop ]
  %a = phi <8 x i64> [ zeroinitializer, %entry ], [ %a1, %loop ]
  %b = phi <8 x i64> [ zeroinitializer, %entry ], [ %b1, %loop ]
  %p = getelementptr i8, ptr %at, i64 %place
  %q = getelementptr i8, ptr %p, i64 64
  %x = load <8 x i64>, ptr %p, align 8
  %y = load <8 x i64>, ptr %q, align 8
  %a1 = or <8 x i64> %a, %x
  %b1 = or <8 x i64> %b, %y
  %next = add i64 %place, 128
  %on = icmp ult i64 %next, %size
  br i1 %on, label %loop, label %out
out:
  %c = or <8 x i64> %a1, %b1
  %r = extractelement <8 x i64> %c, i64 0
  ret i64 %r
}
"""

# One system call for each record of a capture: packet and size are put into the attribute. Gives the first error
EACH = """
define i64 @each(ptr %at, ptr %end, ptr %attr, i64 %attrsize, i64 %number, ptr %syscall) {
entry:
  %sizep = getelementptr i8, ptr %attr, i64 8
  %roomp = getelementptr i8, ptr %attr, i64 12
  %datap = getelementptr i8, ptr %attr, i64 16
  br label %loop
loop:
  %p = phi ptr [ %at, %entry ], [ %next, %loop ]
  %lengthp = getelementptr i8, ptr %p, i64 8
  %length = load i32, ptr %lengthp, align 1
  %data = getelementptr i8, ptr %p, i64 16
  store i32 %length, ptr %sizep
  store i32 0, ptr %roomp
  store ptr %data, ptr %datap
  %r = call i64 (i64, ...) %syscall(i64 %number, i64 10, ptr %attr, i64 %attrsize)
  %wide = zext i32 %length to i64
  %next = getelementptr i8, ptr %data, i64 %wide
  %bad = icmp ne i64 %r, 0
  %last = icmp uge ptr %next, %end
  %leave = or i1 %bad, %last
  br i1 %leave, label %out, label %loop
out:
  ret i64 %r
}
"""


def spec(name: str) -> ObjectSpec:
    """The object of one program."""
    flows = {"flows": MapSpec("flows", "hash", 4, 8, 1 << 10)} if name == "counter" else {}
    return ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(assemble(PROGRAMS[name])))}, flows, license="GPL")


def write(path: Path, sizes: list[int], piece: int) -> None:
    """A capture of IPv4 packets of these sizes in turn, from so many sources, written so many bytes at a time."""
    records = []
    for number in range(len(sizes) * SOURCES):
        frame = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(2) + b"\x0a\x00"
        frame += struct.pack(">H", number * 7919 % SOURCES) + bytes(6) + b"\x00\x50"
        size = sizes[number % len(sizes)]
        records.append(struct.pack("<IIII", number, 0, size, size) + frame.ljust(size, b"\0"))
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    data = head + b"".join(b"".join(records[:left]) for left in range(PACKETS, 0, -len(records)))
    with open(path, "wb", buffering=0) as file:
        for place in range(0, len(data), piece):
            file.write(data[place : place + piece])
        os.fsync(file.fileno())  # or it is written while the rounds run


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[tuple[int, int]]:
    """Where a file is in memory, and its size."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        first = ctypes.c_char.from_buffer(data)
        try:
            yield ctypes.addressof(first), len(data)
        finally:
            del first


def timed(call: Callable[[], object]) -> float:
    """CPU time of a call, seconds."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def native(session: Session, path: Path) -> float:
    """The loop over the packets, with what maps them."""
    with open_capture(str(path)) as capture:
        slices = session.batch(capture, Input(packet=b""), 1, 1, None)
        assert slices is not None, "a capture of Ethernet, a program that asks nothing of a run"
        return timed(lambda: met(sum(one.packets for one in slices)))


def check(session: Session) -> None:
    """End where the counter has not counted each packet once."""
    for name, flows in session.entries().items():
        packets = sum(int.from_bytes(value, "little") for _, value in flows if isinstance(value, bytes))
        if len(flows) != SOURCES or packets != PACKETS:
            raise SystemExit(f"{name} has {len(flows)} sources with {packets} packets")


def met(packets: int) -> None:
    """End where packets are missing."""
    if packets != PACKETS:
        raise SystemExit(f"met {packets} packets, not {PACKETS}")


def whole(program: Path, path: Path) -> None:
    """The command, in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = status(["run", str(program), "--packet", str(path), "--engine", "native"])
    if code or f"{PACKETS} packets" not in out.getvalue():
        raise SystemExit(f"bpfvm run ended with status {code}: {out.getvalue()}")


def command(program: Path, path: Path) -> float:
    """CPU time of a process of its own, seconds."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    start = spent()
    words = [sys.executable, "-m", "bpfvm", "run", str(program), "--packet", str(path)]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    return spent() - start


@contextlib.contextmanager
def tested(name: str, path: Path) -> Iterator[Callable[[], float] | None]:
    """What gives the seconds of one TEST_RUN, of the first packets in a file; None where the kernel cannot be asked."""
    from bpfvm.kernel import KERNEL, available
    from bpfvm.kernel.sys import TestRun, call_number

    if available() is not None:
        yield None
        return
    each = Compiled(EACH, ["each"], FULL)
    form = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 6)
    call = form(each.addresses["each"])
    number = call_number(platform.system(), platform.machine(), 8)
    syscall = ctypes.cast(ctypes.CDLL(None).syscall, ctypes.c_void_p).value
    with KERNEL.load(spec(name), "p", {}) as loaded, mapped(path) as (start, size):
        attr = TestRun(prog_fd=loaded.fd.number)
        end = start + size * TESTED // PACKETS
        given = (start + 24, end, ctypes.addressof(attr), ctypes.sizeof(attr), number, syscall)
        yield lambda: timed(lambda: fine(call(*given))) / TESTED


def by_kernel(program: Path, path: Path) -> float:
    """Seconds that a packet takes on engine kernel."""
    words = ["run", str(program), "--packet", str(path), "--engine", "kernel", "--limit", str(TESTED)]

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            if status(words):
                raise SystemExit("bpfvm run ended badly on engine kernel")

    return timed(run) / TESTED


def fine(result: int) -> None:
    """End where a call failed."""
    if result:
        raise SystemExit("BPF_PROG_TEST_RUN failed")


def main() -> None:
    """Print a row for each program on each mix, then the command."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    print(
        f"{'packets':<10}{'program':<9}{'limit GB/s':>11}{'packets ms':>12}{'of limit':>10}{'at least':>10}"
        f"{'run ms':>8}{'of limit':>10}{'call ns':>9}{'times':>7}{'at least':>10}{'limit':>7}{'kernel ns':>11}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for mix, (sizes, piece) in MIXES.items():
            path = Path(folder, f"{mix}.pcap")
            write(path, sizes, piece)
            for name in PROGRAMS:
                row(Path(folder), path, mix, name)
        path, program = Path(folder, "mixed.pcap"), Path(folder, "counter.o")
        spent = statistics.median([command(program, path) for _ in range(ROUNDS + 1)][1:])
        print(f"command on the mix: {spent:.2f} s of CPU, at most {SECONDS}{'' if spent <= SECONDS else '  above'}")


def row(folder: Path, path: Path, mix: str, name: str) -> None:
    """Print one."""
    program = folder / f"{name}.o"
    program.write_bytes(write_object(spec(name)))
    read = Compiled(READ, ["read"], FULL)
    function = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)(read.addresses["read"])

    def limit() -> None:
        with mapped(path) as (start, size):
            function(start, size // 128 * 128)

    rounds = []
    with load(str(program)).programs["p"].session("native") as session, tested(name, path) as call:
        session.leave_uncounted()
        native(session, path)
        check(session)
        whole(program, path)
        for _ in range(ROUNDS):
            one = timed(limit), native(session, path), timed(lambda: whole(program, path))
            rounds.append((*one, call() if call is not None else 0.0))
    best, loop, run, once = map(statistics.median, zip(*rounds, strict=True))
    part, times, most = best / loop, once * PACKETS / loop, once * PACKETS / best
    held = mix in PARTS and name != "hops"
    words = [
        f"{mix:<10}{name:<9}{path.stat().st_size / best / 1e9:>11.1f}{loop * 1e3:>12.1f}{part:>10.2f}"
        f"{PARTS[mix] if held else '-':>10}{run * 1e3:>8.1f}{best / run:>10.2f}"
    ]
    if once:
        kernel = by_kernel(program, path)
        words.append(f"{once * 1e9:>9.0f}{times:>7.0f}{TIMES if held else '-':>10}{most:>7.0f}{kernel * 1e9:>11.0f}")
    below = held and (part < PARTS[mix] or (once and times < TIMES))
    print("".join(words) + ("  below" if below else ""))


if __name__ == "__main__":
    main()
