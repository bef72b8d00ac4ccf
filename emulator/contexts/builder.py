"""Contexts of each program type, made from inputs: the defaults are those of BPF_PROG_TEST_RUN, measured on 6.18."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import M32
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.emulator.contexts.access import rules
from bpfvm.emulator.contexts.context import COOKIE, Buffer, Context
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.memory import Arena, Region
from bpfvm.tables.ctx import STRUCTURES
from bpfvm.tables.ctx.ethernet import ETH, IP, IPV6, header, packet_type, protocol, swapped
from bpfvm.tables.ctx.field import CtxField
from bpfvm.tables.ctx.packets import FIRST_PAGE, XDP_META
from bpfvm.tables.ctx.sockets import SOCK
from bpfvm.tables.progs import ProgramType
from bpfvm.tables.sections import of_section

XDP_HEADROOM = 256  # XDP_PACKET_HEADROOM (include/uapi/linux/bpf.h)
SKB_HEADROOM = 1 << 15  # an skb's grows when it is asked to; this is all that helpers can take
MAX_BUFFER = 1 << 16  # of a plain context; BPF_PROG_TEST_RUN takes the same (measured on 6.18)
SKB = "__sk_buff"
_IP, _IPV6 = swapped(IP), swapped(IPV6)
PACKETS = ("packet", "packet_end", "packet_meta")
# The program types whose contexts are made here: of the others, arguments come from a traced task
RUNS = (
    "xdp", "socket_filter", "sched_cls", "sched_act", "cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local",
    "sk_skb", "flow_dissector", "sk_msg", "sk_lookup", "cgroup_sock", "cgroup_sock_addr", "sock_ops", "cgroup_sockopt",
    "cgroup_sysctl", "cgroup_device", "sk_reuseport", "syscall", "kprobe", "tracepoint", "perf_event", "raw_tracepoint",
    "tracing", "lsm",
)  # fmt: skip
_PAIR, _TRIPLE, _HALF, _WORD = struct.Struct("<II"), struct.Struct("<III"), struct.Struct("<H"), struct.Struct("<I")
_NO_KEYS = struct.pack("<HHHBBBB", ETH, ETH, 0, 0, 0, 0, 0)  # struct bpf_flow_keys up to n_proto
_CLOSED = struct.pack("<II", 7, 0xFFFF_FFFF)  # TCP_CLOSE, no queue: the end of struct bpf_sock


class ContextBuilder:
    """Makes contexts for one program, in regions that are used again for every run.

    What a run with no fields gets is a template of bytes, in which only addresses and what follows from the packet are
    filled in.
    """

    def __init__(self, arena: Arena, kind: ProgramType, section: str = "", arch: str = "x86_64") -> None:
        """arch: whose registers programs on probes see. Unavailable for a program type whose contexts cannot be made of
        fields."""
        if kind.name not in RUNS:
            raise Unavailable(f"the emulator runs programs of type {', '.join(RUNS)}, not {kind.name}")
        self.kind = kind
        self._access = rules(kind.name, section, arch)
        layout = self._access.layout if self._access else None
        size = layout.size if layout else MAX_BUFFER
        self._region = arena.allocate("context", size, "context", writable=layout is None)
        self._pointed = [one for one in layout.fields if one.pointer in PACKETS] if layout else []
        self._is_xdp, self._is_l2 = kind.name == "xdp", kind.layer == "eth"
        self._is_skb = layout is not None and layout.name == SKB
        head = SKB_HEADROOM if self._is_skb else XDP_HEADROOM
        self._frame = Frame(arena, head) if self._pointed else None
        self._takes_frame = kind.layer is not None or kind.name == "sk_skb"
        self._frags = of_section(section).frags
        self._objects = self._make_objects(arena)
        self._has_socket = layout is not None and layout.field("sk") is not None
        self._sock, self._keys = (self._objects.get(168), self._objects.get(144)) if self._is_skb else (None, None)
        self._context = Context(self._region, self._access, self._frame, self._objects)
        self._template = self._make_template()

    def build(self, given: Input) -> Context:
        """The context for one run. Unavailable for an input that the type cannot have."""
        if self._access is None:
            return self._buffer(given)
        frame, data = self._frame, self._region.data
        self._context.socket = COOKIE
        if frame is None:
            if given.packet is not None:
                raise UsageError(f"{an(self.kind.name)} program sees no packet, and the input has one")
            data[:] = self._template
        else:
            self._load(frame, given)
            data[:] = self._template
            if self._is_xdp:
                base = frame.base
                _TRIPLE.pack_into(data, 0, base + frame.start, base + frame.linear, base + frame.meta)
            elif self._is_skb:
                self._fill_skb(frame, given.packet or b"")
            else:
                self._context.refresh()
        if given.fields:
            self._set(given.fields)
        return self._context

    def saved(self) -> tuple[object, Buffer]:
        """Part of state.Part: the packet's place, and what is known of the skb."""
        return self._frame.saved() if self._frame is not None else None, replace(self._context.skb)

    def put_back(self, saved: tuple[Any, Buffer]) -> None:
        """Part of state.Part."""
        place, skb = saved
        self._context.skb = replace(skb)
        if self._frame is not None:
            self._frame.put_back(place)

    def _load(self, frame: Frame, given: Input) -> None:
        packet = given.packet
        if packet is None:
            if self._takes_frame:
                raise Unavailable(f"{an(self.kind.name)} program needs a packet")
            packet = b""
        meta = given.fields.get("data_meta", 0) if given.fields and self._is_xdp else 0
        if meta and (meta % 4 or not 0 < meta <= XDP_META):
            raise UsageError(f"data_meta = {meta}: metadata is up to {XDP_META} bytes, in steps of 4")
        size = len(packet)
        frame.load(packet, meta, min(size, FIRST_PAGE) if self._frags else size)

    def _fill_skb(self, frame: Frame, packet: bytes) -> None:
        """What an skb's fields say of the packet."""
        context, data = self._context, self._region.data
        if self._is_l2:
            before, context.skb = packet, Buffer(0, ETH)
        else:
            before, context.skb = header(packet) + packet, Buffer(-ETH, 0)
            frame.write(-ETH, before[:ETH])
        number, size, start = protocol(before), len(packet), frame.base + frame.start
        _PAIR.pack_into(data, 0, size, packet_type(before))
        _PAIR.pack_into(data, 76, start, start + size)
        data[16:18], data[140:144], data[160:164] = _HALF.pack(number), _WORD.pack(start), _WORD.pack(size)
        if self._sock is not None:
            self._sock.data[:] = socket = _socket(before, number)
            if self.kind.name == "cgroup_skb":
                data[88:132] = socket[4:8] + socket[52:56] + socket[24:28] + socket[56:72] + socket[28:44]
        if self._keys is not None:
            self._keys.data[:] = _NO_KEYS + before[12:ETH].ljust(2, b"\0") + bytes(44)

    def _set(self, fields: Mapping[str, int]) -> None:
        """Put given fields in place. UsageError for one that the context does not have, or that is too narrow."""
        assert self._access is not None
        shown, layout = self._access.shown, self._access.layout.name
        for name, value in fields.items():
            if name == "data_meta" and self.kind.name == "xdp":
                continue
            if name == "sk" and self._has_socket:
                self._name_socket(value)
                continue
            place = shown.get(name)
            if place is None or (name == "len" and self._is_skb):
                known = ", ".join(one for one in shown if one != "len")
                raise UsageError(f"{layout} has no field {name!r} that can be given; it has {known}")
            at, size = place
            row = self._access.layout.field(name.partition("[")[0])
            bits = row.bits if row is not None and row.size == size else 8 * size
            if not isinstance(value, int):
                raise UsageError(f"{layout}.{name} is a number, not {value!r}")
            if not 0 <= value < 1 << bits:
                raise UsageError(f"{layout}.{name} = {value} does not fit its {bits} bits")
            self._region.data[at : at + size] = value.to_bytes(size, "little")

    def _name_socket(self, number: int) -> None:
        """`sk` of the fields: which socket the context is about."""
        if not 0 < number < 1 << 32:
            raise UsageError(f"sk = {number}: a socket is a number from 1 to {M32}")
        self._context.socket = number

    def _buffer(self, given: Input) -> Context:
        if given.fields:
            wrong = next(iter(given.fields))
            raise UsageError(f"{an(self.kind.name)} program's context has no field {wrong!r}: give it as bytes")
        words = given.ctx or b""
        if len(words) > MAX_BUFFER:
            raise Unavailable(f"a context of {octets(len(words))} is over {MAX_BUFFER}")
        region = Region("context", self._region.base, len(words), "context", self._region.data[: len(words)])
        region.data[:] = words
        context = Context(region, None, None, {})
        self._region.within = lambda offset: context.pointer().moved(offset)
        return context

    def _make_objects(self, arena: Arena) -> dict[int, Region | None]:
        """What the context points to beside the packet, by the field's offset."""
        objects: dict[int, Region | None] = {}
        for one in self._access.layout.fields if self._access else ():
            if one.pointer is not None and one.pointer not in PACKETS:
                objects[one.offset] = self._object(arena, one)
        return objects

    def _object(self, arena: Arena, one: CtxField) -> Region | None:
        if one.pointer == "flow_keys":
            is_user = self.kind.name == "flow_dissector"
            return arena.allocate("flow keys", STRUCTURES["bpf_flow_keys"].size, "flow keys") if is_user else None
        absent = self.kind.name == "sk_lookup" or one.name == "migrating_sk" or one.pointer == "tp_buffer"
        return None if absent else arena.allocate("socket", SOCK.size, "socket", writable=False)

    def _make_template(self) -> bytes:
        data = bytearray(self._region.size if self._access else 0)
        for one in self._access.layout.fields if self._access else ():
            target = self._objects.get(one.offset) if one.pointer else None
            value = target.base if target is not None else 0 if one.pointer else one.default
            data[one.offset : one.offset + one.size] = value.to_bytes(one.size, "little")
        return bytes(data)


def _socket(frame: bytes, number: int) -> bytes:
    """struct bpf_sock of the socket that a frame seems to be of: its own address is the frame's source (measured)."""
    if number == _IP and len(frame) >= ETH + 20:
        return _family(2) + frame[26:30] + bytes(24) + frame[30:34] + bytes(16) + _CLOSED
    if number == _IPV6 and len(frame) >= ETH + 40:
        return _family(10) + bytes(4) + frame[22:38] + bytes(12) + frame[38:54] + _CLOSED
    return bytes(72) + _CLOSED


def _family(number: int) -> bytes:
    return _PAIR.pack(0, number) + bytes(16)
