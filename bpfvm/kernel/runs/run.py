"""Runs of a loaded program by BPF_PROG_TEST_RUN.

What the kernel shows of a run is the low 32 bits of r0, the packet after it, and for syscall programs their context
buffer. It counts no instructions, and clock and random numbers are its own, whatever the input says of them.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import struct
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.isa.codec import encode
from bpfvm.isa.insn import insn
from bpfvm.kernel.maps.elements import BYTE_ORDER
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.programs import scalars
from bpfvm.kernel.readers import Events
from bpfvm.kernel.runs import packets
from bpfvm.kernel.runs.call import Call, check_times, in_network, on_cpu, tells_cpus_apart
from bpfvm.kernel.sys import PROG_LOAD, PROG_TEST_RUN, Fd, ProgLoad, TestRun, address, bpf, error_name, error_text
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.ctx.packets import XDP_META
from bpfvm.tables.progs import BY_NAME, ProgramType
from bpfvm.tables.sections import of_section

if TYPE_CHECKING:
    from bpfvm.kernel.attach import Link

# Measured on 6.18: XDP frames of 14 to 73152 bytes are taken (ETH_HLEN; with 4 KiB pages 3520 bytes in the first page
# and 17 pages behind it), 13 give EINVAL, 73153 ENOMEM. Only the bytes of the first page lie between data and data_end.
_LEAST_FRAME = 14
_SURE_FRAME = 2048  # fits the first page with its headroom of 256 bytes and its skb_shared_info on every architecture

_LIVE_FRAMES, _LARGEST_BATCH = 2, 256  # BPF_F_TEST_XDP_LIVE_FRAMES, TEST_XDP_MAX_BATCH

_LARGEST_CTX = (1 << 16) - 1  # U16_MAX, bpf_prog_test_run_syscall

# A program can put at most a page before and behind what it was given (bpf_xdp_adjust_head, bpf_xdp_adjust_tail)
_GROWTH = 2 * mmap.PAGESIZE

_NOTHING = bytes(64)  # a frame for programs that look at none
_XDP_MD = struct.Struct("=6I")  # data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex


class LoadedProgram:
    """A program in the kernel with its maps, which keep their contents from run to run. Close it, or use `with`."""

    def __init__(
        self, row: ProgramType, program: ProgramSpec, fd: Fd, maps: Mapping[str, KernelMap],
        beside: Callable[[], None], with_events: bool = True,
    ) -> None:  # fmt: skip
        """beside: closes what was loaded with the program: maps, the programs that it calls at its end.

        with_events: runs tell what the program sent, which nobody else can read then. Raises Unavailable where the host
        does not let it be read.
        """
        self._events = Events(maps if with_events else {})
        self._row, self._program, self._fd, self._maps, self._beside = row, program, fd, maps, beside
        self._tells_cpus_apart = tells_cpus_apart(program.insns, [one.spec for one in maps.values()])

    def __enter__(self) -> LoadedProgram:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the program, and what was loaded for it alone; again does nothing."""
        self._events.close()
        self._fd.close()
        self._beside()

    @property
    def fd(self) -> Fd:
        """The program's descriptor."""
        return self._fd

    @property
    def spec(self) -> ProgramSpec:
        """The program as it was loaded."""
        return self._program

    def attach(self, target: Any = None, **options: Any) -> Link:
        """Attach it to what its type is for (bpfvm.kernel.attach.KINDS); the link detaches when it is closed.

        target: an interface, a cgroup's folder, a function … ; what the section names need not be given. Raises
        LoadError for a target that is not there, UsageError for an option that the kind does not have, Unavailable for
        what this host does not have or allow.
        """
        from bpfvm.kernel.attach import attach

        return attach(self._program, self._fd, target, **options)

    def run(self, given: Input) -> Result:
        """Run once, on CPU `cpu` where the program can tell.

        Raises UsageError for an input that the program's type does not have, Unavailable for one that the kernel does
        not take. `clock` and `seed` are not the kernel's to follow.
        """
        return self.repeat(given, 1)[0]

    def repeat(self, given: Input, times: int) -> tuple[Result, int]:
        """Run so many times in one call: what the last run gave and the events of all, and how long one took, the mean
        in ns by the kernel's clock.

        The packet is not put back between runs. Programs of types syscall and raw_tracepoint run once a call
        (Unavailable), and are not timed.
        """
        runner = _RUNNERS.get(self._row.name)
        if runner is None:
            raise Unavailable(f"engine kernel runs programs of type {', '.join(_RUNNERS)}, not {self._row.name}")
        if given.registers:
            raise Unavailable("engine kernel sets no registers: r1 points to the context, the others hold nothing")
        if given.memory:
            raise Unavailable("engine kernel has the memory that there is: none can be given")
        if given.task is not None:
            raise Unavailable("engine kernel runs programs in the task that asks for it: none can be given")
        if scalars.MAP in self._maps:
            return self._of_scalars(given)
        check_times(times, self._row.name)
        call = Call(self._fd, times)
        with on_cpu(given.cpu) if given.cpu or self._tells_cpus_apart else nullcontext():
            result = runner(call, given, self._program, self._row.layer)
        events, lost = self._events.read()
        return (replace(result, events=events, lost=lost) if events or lost else result), call.duration

    def _of_scalars(self, given: Input) -> tuple[Result, int]:
        """A run of what bpfvm.kernel.programs.scalars made an XDP program."""
        context, place, call = given.ctx or b"", self._maps[scalars.MAP], Call(self._fd)
        key = bytes(place.spec.key_size)
        place.write([(key, scalars.padded(context))])
        call(TestRun(data_in=address(_NOTHING), data_size_in=len(_NOTHING)))
        ((_, after),) = place.read()
        assert isinstance(after, bytes), "the map is not per CPU"
        return Result(r0=0, r0_bits=32, ctx=after[: len(context)]), 0

    def live(self, given: Input, frames: int, network: str | None = None, batch: int = 0) -> Result:
        """Send so many copies of the packet through an xdp program, and on to where its verdict says: up the stack, out
        by the interface that it came in by (`ingress_ifindex`), or redirected. The result has events and nothing else.

        network: the path of a network namespace, /run/netns/NAME; else it is a new one with a loopback interface alone.
        That of the caller is taken only where it is named. batch: frames in flight at once, 0 for the kernel's own 64.
        Raises Unavailable where the kernel does not do that (before 5.18) or allows no namespace.
        """
        if self._row.name != "xdp":
            raise UsageError(f"live frames go through xdp, and {self._program.name} is {an(self._row.name)} program")
        check_times(frames, "xdp")
        attr, kept = _live_attributes(given, batch)
        call = Call(self._fd, frames)
        place = {**given.fields, "frames": frames, "batch": batch}
        try:
            with on_cpu(given.cpu) if given.cpu else nullcontext():
                in_network(network, lambda: call(attr, always=True))
        except OSError as error:
            raise _live_error(error.errno or 0, place, len(kept[0])) from None
        events, lost = self._events.read()
        return Result(events=events, lost=lost)

    def read_map(self, name: str) -> Entries:
        """Every entry of the map, in index order. Raises UsageError for a map that the program does not use."""
        return self.map(name).read()

    def write_map(self, name: str, entries: Entries) -> None:
        """Store the entries; others stay. Raises UsageError for one that does not fit the map."""
        self.map(name).write(entries)

    def map(self, name: str) -> KernelMap:
        """A map of the program's. UsageError for another one."""
        one = self._maps.get(name)
        if one is None:
            used = ", ".join(self._maps) or "none"
            raise UsageError(f"{self._program.name} does not use a map {name!r}; its maps are {used}")
        return one


def _frame(given: Input) -> bytes:
    if given.packet is None:
        raise UsageError("an xdp program runs on a packet, and the input has none")
    if given.ctx is not None:
        raise UsageError("the context of an xdp program is given by its fields, not as bytes")
    return given.packet


def _run_xdp(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    frame = _frame(given)
    _check_frame(len(frame), of_section(program.section).frags)
    meta: int = given.fields.get("data_meta", 0)
    context = _xdp_context(frame, given.fields, meta)
    whole = bytes(meta) + frame
    room = len(whole) + _GROWTH  # never 0: for "no room" the kernel copies the whole packet, however long it is
    out, after = ctypes.create_string_buffer(room), ctypes.create_string_buffer(_XDP_MD.size)
    attr = TestRun(
        data_in=address(whole), data_size_in=len(whole), data_out=address(out), data_size_out=room,
        ctx_in=address(context), ctx_size_in=len(context), ctx_out=address(after), ctx_size_out=len(after),
    )  # fmt: skip
    try:
        with_context = _call_xdp(call, attr, given)
    except OSError as error:
        raise _xdp_error(error.errno or 0, given, attr.data_size_out) from None
    if not with_context:
        return Result(r0=attr.retval, r0_bits=32, packet=out.raw[: attr.data_size_out])
    # data counts from data_meta: what bpf_xdp_adjust_meta put before the frame is given out with it
    meta, _, _, interface, queue, _ = _XDP_MD.unpack(after.raw)
    fields = {"data_meta": meta, "ingress_ifindex": interface, "rx_queue_index": queue}
    return Result(r0=attr.retval, r0_bits=32, packet=out.raw[meta : attr.data_size_out], fields=fields)


def _call_xdp(call: Call, attr: TestRun, given: Input) -> bool:
    """Run; False where the kernel takes no context (before 5.14), and there is none to be given. Raises OSError."""
    try:
        call(attr)
    except OSError as error:
        if error.errno != errno.EINVAL or given.fields:
            raise
        attr.ctx_in = attr.ctx_size_in = attr.ctx_out = attr.ctx_size_out = 0
        call(attr)
        return False
    return True


def _live_attributes(given: Input, batch: int) -> tuple[TestRun, tuple[bytes, bytes]]:
    """The attributes of a call with live frames, and the bytes that they point to."""
    frame = _frame(given)
    if not 0 <= batch <= _LARGEST_BATCH:
        raise UsageError(f"batch = {batch}: 1 to {_LARGEST_BATCH} frames are in flight, 0 for the kernel's choice")
    meta = given.fields.get("data_meta", 0)
    whole, context = bytes(meta) + frame, _xdp_context(frame, given.fields, meta)
    attr = TestRun(
        data_in=address(whole), data_size_in=len(whole), ctx_in=address(context), ctx_size_in=len(context),
        flags=_LIVE_FRAMES, batch_size=batch,
    )  # fmt: skip
    return attr, (whole, context)


def _live_error(number: int, place: Mapping[str, int], size: int) -> BpfvmError:
    if number == errno.EINVAL:
        return Unavailable(
            f"this kernel sends no live frames (since 5.18), or not of {octets(size)}, or by no such interface: "
            f"{', '.join(f'{name} = {value}' for name, value in place.items())} (EINVAL)"
        )
    return _xdp_error(number, Input(fields=place), size)


def _check_frame(size: int, frags: bool) -> None:
    """Raise Unavailable for a frame that the kernel refuses, or of which it shows a program a part only.

    frags: the program knows that it sees a part.
    """
    if size < _LEAST_FRAME:
        raise Unavailable(f"BPF_PROG_TEST_RUN takes no frame under {_LEAST_FRAME} bytes, and this one has {size}")
    if size <= _SURE_FRAME:
        return
    shown = _shown_bytes(size)
    if shown is None:
        raise Unavailable(f"BPF_PROG_TEST_RUN takes no frame of {octets(size)} on this kernel")
    if shown < size and not frags:
        raise Unavailable(f"BPF_PROG_TEST_RUN shows a program {octets(shown)} of a frame, and this one has {size}")


@functools.lru_cache(maxsize=1024)
def _shown_bytes(size: int) -> int | None:
    """What a program sees between data and data_end of a frame of `size` bytes, asked of the kernel itself.

    None where it takes no such frame.
    """
    measure = (insn("ldx32", 0, 1, 4), insn("ldx32", 1, 1, 0), insn("sub64_x", 0, 1), insn("exit"))
    code, frame, license = encode(measure, BYTE_ORDER), bytes(size), b"GPL"
    attr = ProgLoad(
        prog_type=BY_NAME["xdp"].number, insn_cnt=len(measure), insns=address(code), license=address(license)
    )  # fmt: skip
    with Fd(bpf(PROG_LOAD, attr)) as fd:
        run = TestRun(prog_fd=fd.number, data_in=address(frame), data_size_in=size)
        try:
            bpf(PROG_TEST_RUN, run)
        except OSError:
            return None
    return int(run.retval)


def _xdp_context(frame: bytes, fields: Mapping[str, int], meta: int) -> bytes:
    """struct xdp_md as BPF_PROG_TEST_RUN takes it: data counts from the metadata, data_end to the frame's end, then
    the fields given."""
    row = CONTEXTS["xdp_md"]
    values = {one.name: one.default for one in row.fields}
    if meta and (meta % 4 or not 0 < meta <= XDP_META):
        raise UsageError(f"data_meta = {meta}: metadata is up to {XDP_META} bytes, in steps of 4")
    for name, value in fields.items():
        known = row.field(name)
        if name == "data_meta":
            continue
        if known is None or known.pointer is not None:
            settable = ", ".join(one.name for one in row.fields if one.pointer is None)
            raise UsageError(f"xdp_md has no field {name!r} that can be given; it has {settable}")
        if not 0 <= value <= M32:
            raise UsageError(f"xdp_md.{name} = {value} does not fit its 32 bits")
        values[name] = value
    if values["ingress_ifindex"] == 0:
        raise Unavailable("ingress_ifindex = 0: BPF_PROG_TEST_RUN puts 1, the loopback interface, in its place")
    if values["egress_ifindex"] != 0:
        raise Unavailable(f"egress_ifindex = {values['egress_ifindex']}: BPF_PROG_TEST_RUN takes no other than 0")
    values["data"], values["data_end"] = meta, meta + len(frame)
    return _XDP_MD.pack(*(values[one.name] for one in row.fields))


def _xdp_error(number: int, given: Input, size_out: int) -> BpfvmError:
    place = ", ".join(f"{name} = {value}" for name, value in given.fields.items())
    if number == errno.ENODEV:
        return Unavailable(f"{place}: this network namespace has no interface of that number (ENODEV)")
    if number == errno.EINVAL and given.fields:
        return Unavailable(f"{place}: the interface has no such receive queue, or none that XDP can use (EINVAL)")
    if number == errno.ENOSPC:
        return Unavailable(f"the packet has {octets(size_out)} after the run, more than was made room for (ENOSPC)")
    return Unavailable(f"BPF_PROG_TEST_RUN of this xdp program: {error_text(number)} ({error_name(number)})")


def _run_syscall(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    if given.packet is not None:
        raise UsageError("a syscall program runs on a context buffer, and the input has a packet")
    if given.fields:
        raise UsageError(f"a syscall program's context has no field {next(iter(given.fields))!r}: give it as bytes")
    size = len(given.ctx) if given.ctx is not None else 0
    if size > _LARGEST_CTX:
        raise Unavailable(f"BPF_PROG_TEST_RUN takes a context of at most {_LARGEST_CTX} bytes, and this one has {size}")
    attr = TestRun()
    buffer = ctypes.create_string_buffer(given.ctx or b"", size) if size else None
    if buffer is not None:  # an address with a size of 0 gives EINVAL
        attr.ctx_in, attr.ctx_size_in = address(buffer), size
    try:
        call(attr)
    except OSError as error:
        raise _syscall_error(error.errno or 0, size) from None
    after = buffer.raw if buffer is not None else given.ctx
    return Result(r0=attr.retval, r0_bits=32, ctx=after)


def _syscall_error(number: int, size: int) -> BpfvmError:
    if number == errno.EINVAL:
        return Unavailable(f"the program uses more of its context than the {octets(size)} given (EINVAL)")
    return Unavailable(f"BPF_PROG_TEST_RUN of this syscall program: {error_text(number)} ({error_name(number)})")


_RUNNERS: Mapping[str, packets.Runner] = {"xdp": _run_xdp, "syscall": _run_syscall, **packets.RUNNERS}
