"""BPF_PROG_TEST_RUN of programs on packets that are not XDP: frames and contexts as the kernel takes and gives them.

The kernel takes Ethernet frames for every type and pulls their header off where a program does not see it. A packet
that begins at its IP header gets one; a socket filter's frame gets its own first 14 bytes before it once more, so that
the program sees it whole, as on a packet socket. What comes out has 14 zero bytes in their place.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable, Mapping

from bpfvm.core.articles import an
from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.core.machine import Input, Result
from bpfvm.isa.ops import Kind
from bpfvm.kernel.runs.call import Call
from bpfvm.kernel.sys import TestRun, address, error_name, error_text
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.ctx import CONTEXTS, STRUCTURES, Context
from bpfvm.tables.ctx.ethernet import ETH, LEAST_TYPE, header
from bpfvm.tables.helpers import BY_NAME as HELPERS

_LARGEST_SKB = 3712  # of 4 KiB pages, with the headroom of 64 bytes and skb_shared_info: measured on 6.18
# Places of legacy packet loads that count from a header: SKF_LL_OFF and SKF_NET_OFF of linux/filter.h
_FROM_HEADERS = range(-0x20_0000, -0x8_0000)
_GROWTH = 1 << 17  # more than a program can make of one
_ORDERS: Mapping[int, str] = {1: "B", 2: "H", 4: "I", 8: "Q"}

# struct nf_hook_state: what a caller may give of it (bpf_prog_test_run_nf); behind it addresses, which have to be 0
_HOOK_FIELDS, _HOOK_STATE = ("hook", "pf"), 48

_Elements = Mapping[str, tuple[int, int]]


def elements(layout: Context) -> _Elements:
    """The elements of fields that are no pointers: name -> offset and size. Arrays are "cb[0]", "cb[1]" and so on."""
    found: dict[str, tuple[int, int]] = {}
    for one in layout.fields:
        if one.pointer is None:
            for index in range(one.count):
                name = f"{one.name}[{index}]" if one.count > 1 else one.name
                found.setdefault(name, (one.offset + index * one.size, one.size))
    return found


def packed(layout: Context, fields: Mapping[str, int]) -> bytearray:
    """The structure with `fields` in place, all else zero. UsageError or Unavailable for what cannot be given."""
    known, data = elements(layout), bytearray(layout.size)
    for name, value in fields.items():
        row = layout.field(name.partition("[")[0])
        if name not in known or row is None:
            raise UsageError(f"{layout.name} has no field {name!r} that can be given; it has {', '.join(known)}")
        if not row.given:
            raise Unavailable(f"{name} = {value}: BPF_PROG_TEST_RUN takes no value for {layout.name}.{row.name}")
        at, size = known[name]
        bits = row.bits if row.size == size else 8 * size
        if not 0 <= value < 1 << bits:
            raise UsageError(f"{layout.name}.{name} = {value} does not fit its {bits} bits")
        struct.pack_into(f"={_ORDERS[size]}", data, at, value)
    return data


def unpacked(layout: Context, data: bytes, given_only: bool) -> dict[str, int]:
    """The fields in `data` by name. given_only: those that the kernel gives back, which are those that it takes but one
    (measured)."""
    values = {}
    for name, (at, size) in elements(layout).items():
        row = layout.field(name.partition("[")[0])
        if row is not None and (not given_only or (row.given and name != "gso_size")):
            values[name] = struct.unpack_from(f"={_ORDERS[size]}", data, at)[0]
    return values


def run_skb(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    """Run a program on an skb. layer: the first header that it sees, "eth" or "ip"."""
    packet = _packet(given, program)
    _check_headers(program)
    if program.type == "socket_filter" and int.from_bytes(packet[12:ETH], "big") < LEAST_TYPE:
        _check_length_frame(packet)
    is_whole = program.type in ("sched_cls", "sched_act")
    added = b"" if is_whole else header(packet) if layer == "ip" else packet[:ETH]
    frame = added + packet
    context = bytes(packed(CONTEXTS["__sk_buff"], given.fields))
    after = ctypes.create_string_buffer(len(context))
    attr, out = _attr(frame)
    attr.ctx_in, attr.ctx_size_in = address(context), len(context)
    attr.ctx_out, attr.ctx_size_out = address(after), len(after)
    _run(call, attr, given, program)
    fields = unpacked(CONTEXTS["__sk_buff"], after.raw, given_only=True)
    return Result(r0=attr.retval, r0_bits=32, packet=out.raw[len(added) : attr.data_size_out], fields=fields)


def run_flow_dissector(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    """Run a flow dissector; what it finds are the fields of the result."""
    packet = _packet(given, program)
    if given.fields:
        raise UsageError(f"a flow dissector's context has no field {next(iter(given.fields))!r} that can be given")
    attr, out = _attr(packet)
    _run(call, attr, given, program)
    keys = unpacked(STRUCTURES["bpf_flow_keys"], out.raw, given_only=False)
    return Result(r0=attr.retval, r0_bits=32, packet=packet, fields=keys)


def run_sk_lookup(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    """Run a socket look-up; addresses and ports are its fields."""
    if given.packet is not None:
        raise UsageError("an sk_lookup program sees no packet, and the input has one")
    context = bytes(packed(CONTEXTS["bpf_sk_lookup"], given.fields))
    attr = TestRun(ctx_in=address(context), ctx_size_in=len(context))
    _run(call, attr, given, program)
    return Result(r0=attr.retval, r0_bits=32)


def run_raw_tracepoint(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    """Run a program on a raw tracepoint; the tracepoint's arguments are its fields args[0] to args[11]."""
    if given.packet is not None or given.ctx is not None:
        raise UsageError("a raw_tracepoint program's context is given by its fields: args[0], args[1] and so on")
    context = bytes(packed(CONTEXTS["bpf_raw_tracepoint_args"], given.fields))
    attr = TestRun(ctx_in=address(context), ctx_size_in=len(context))
    _run(call, attr, given, program)
    return Result(r0=attr.retval, r0_bits=32)


def run_netfilter(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    """Run a program on a netfilter hook. hook, pf: as in struct nf_hook_state; else the kernel takes the local output
    of the frame's protocol. What the program makes of the packet is not shown."""
    packet = _packet(given, program)
    state = bytearray(_HOOK_STATE)
    for name, value in given.fields.items():
        if name not in _HOOK_FIELDS:
            raise UsageError(f"nf_hook_state has no field {name!r} that can be given; it has {', '.join(_HOOK_FIELDS)}")
        if not 0 <= value < 256:
            raise UsageError(f"nf_hook_state.{name} = {value} does not fit its 8 bits")
        state[_HOOK_FIELDS.index(name)] = value
    frame, context = packet if layer == "eth" else header(packet) + packet, bytes(state)
    attr = TestRun(data_in=address(frame), data_size_in=len(frame))
    if given.fields:
        attr.ctx_in, attr.ctx_size_in = address(context), len(context)
    _run(call, attr, given, program)
    return Result(r0=attr.retval, r0_bits=32)


def run_struct_ops(call: Call, given: Input, program: ProgramSpec, layer: str | None) -> Result:
    """Run a member of a table of functions. Its arguments are the context: a word of 8 bytes each."""
    if given.packet is not None or given.fields:
        raise UsageError("a struct_ops program's arguments are given as the bytes of its context, 8 for each")
    context = given.ctx or b""
    attr = TestRun(ctx_in=address(context) if context else 0, ctx_size_in=len(context))
    try:
        _run(call, attr, given, program)
    except Unavailable as error:
        raise Unavailable(
            f"{error}; the kernel runs members of struct bpf_dummy_ops alone, with as many words as they have arguments"
        ) from None
    return Result(r0=attr.retval, r0_bits=32)


Runner = Callable[[Call, Input, ProgramSpec, "str | None"], Result]

RUNNERS: Mapping[str, Runner] = {
    **dict.fromkeys(
        ("socket_filter", "sched_cls", "sched_act", "cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit"), run_skb
    ),
    "flow_dissector": run_flow_dissector,
    "sk_lookup": run_sk_lookup,
    "raw_tracepoint": run_raw_tracepoint,
    "netfilter": run_netfilter,
    "struct_ops": run_struct_ops,
}


def _packet(given: Input, program: ProgramSpec) -> bytes:
    if given.packet is None:
        raise UsageError(f"{an(program.type)} program runs on a packet, and the input has none")
    if given.ctx is not None:
        raise UsageError(f"the context of {an(program.type)} program is given by its fields, not as bytes")
    return given.packet


def _check_headers(program: ProgramSpec) -> None:
    """On a packet socket the network header begins 14 bytes into the frame; here, at its start."""
    if program.type != "socket_filter":
        return
    relative = HELPERS["skb_load_bytes_relative"].id
    for one in program.insns:
        is_load = one.op.kind is Kind.PACKET and one.imm in _FROM_HEADERS
        if is_load or (one.op.name == "call" and one.imm == relative):
            what = f"{one.op.name} at {one.imm:#x}" if is_load else "bpf_skb_load_bytes_relative"
            raise Unavailable(
                f"{what} in a socket filter: BPF_PROG_TEST_RUN has the headers elsewhere than a packet socket does"
            )


def _check_length_frame(packet: bytes) -> None:
    """The kernel takes a frame with a length in place of a type for one protocol or the other by the next two bytes."""
    if (packet[:2] == b"\xff\xff") != (packet[ETH : ETH + 2] == b"\xff\xff"):
        raise Unavailable("BPF_PROG_TEST_RUN shows a socket filter another protocol of this IEEE 802.3 frame")


def _attr(frame: bytes) -> tuple[TestRun, ctypes.Array[ctypes.c_char]]:
    room = len(frame) + _GROWTH  # never 0: for "no room" the kernel copies the whole packet, however long it is
    out = ctypes.create_string_buffer(room)
    return (
        TestRun(data_in=address(frame), data_size_in=len(frame), data_out=address(out), data_size_out=room),
        out,
    )


def _run(call: Call, attr: TestRun, given: Input, program: ProgramSpec) -> None:
    try:
        call(attr)
    except OSError as error:
        raise _error(error.errno or 0, given, program, attr.data_size_in) from None


def _error(number: int, given: Input, program: ProgramSpec, size: int) -> BpfvmError:
    place = ", ".join(f"{name} = {value}" for name, value in given.fields.items())
    what = f"BPF_PROG_TEST_RUN of this {program.type} program"
    if number == errno.ENODEV:
        return Unavailable(f"{place}: this network namespace has no interface of that number (ENODEV)")
    if number == errno.EINVAL and given.packet is not None and not place:
        return Unavailable(
            f"{what} takes frames of 14 to about {_LARGEST_SKB} bytes with a whole IP header, and this one has {size} "
            f"(EINVAL)"
        )
    return Unavailable(f"{what}{', ' + place if place else ''}: {error_text(number)} ({error_name(number)})")
