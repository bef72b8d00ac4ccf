"""The context of a run: its bytes, the pointers in it, what loads and stores of programs find there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfvm.core.bits import M32, mask, signed
from bpfvm.emulator.caller import Operand, Stop
from bpfvm.emulator.contexts.access import Access
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.memory import Pointer, Region

if TYPE_CHECKING:
    from bpfvm.emulator.helpers.tunnels import Tunnel

NO_QUEUE = 0xFFFF  # a queue mapping of this and above, which means none, is not stored (measured on 6.18)

NOT_SUMMED = -1
COOKIE = 1  # of the context's socket, where the input names none

# Places from which legacy packet loads count the network and the MAC header (SKF_NET_OFF, SKF_LL_OFF of linux/filter.h)
FROM_NETWORK, FROM_MAC = -0x10_0000, -0x20_0000


@dataclass(slots=True)
class Buffer:
    """What the kernel knows of an skb beside its fields. Places count from the packet's start.

    mac, network: where these headers begin. summed: how many checksums of the packet are known to be good, less one;
    NOT_SUMMED for none. encapsulated: a header was put around the packet. hashed: the hash was set. mac_size: what the
    kernel holds the MAC header to be long where it was told; 0 before. tunnel: what the program set of it.
    """

    mac: int = 0
    network: int = 0
    summed: int = NOT_SUMMED
    encapsulated: bool = False
    hashed: bool = False
    mac_size: int = 0
    tunnel: Tunnel | None = None


class Context:
    """What r1 points to. access: None for a plain buffer. frame: None where the type has no packet.

    pointers: offset of a field -> the object that it points to, beside the packet. buffer: of types with an skb.
    socket: the number, and the cookie, of the socket that it is about.
    """

    __slots__ = ("_home", "access", "frame", "pointers", "region", "skb", "socket")

    def __init__(
        self, region: Region, access: Access | None, frame: Frame | None, pointers: Mapping[int, Region | None]
    ) -> None:
        self.region, self.access, self.frame, self.pointers = region, access, frame, pointers
        self.skb, self.socket = Buffer(), COOKIE

    @property
    def packet(self) -> Region | None:
        """What lies between data and data_end."""
        return self.frame.packet if self.frame is not None else None

    def pointer(self) -> Pointer:
        """What r1 is."""
        return Pointer(self.region, 0)

    def holds(self, region: Region) -> bool:
        """Whether `region` is this context, with fields."""
        return region is self.region and self.access is not None

    def load(self, at: int, size: int) -> Operand:
        """What a program's load gives. Stop for one that the verifier refuses."""
        assert self.access is not None
        one = self.access.reads.get((at, size))
        if one is None:
            raise Stop("access", self.access.refused(at, size, write=False))
        if one.pointer is not None:
            return self._target(one.pointer, one.offset)
        if one.held and size < one.size:
            start = at - (at - one.offset) % one.size
            return one.part(int.from_bytes(self.region.data[start : start + one.size], "little"), at, size)
        return int.from_bytes(self.region.data[at : at + size], "little")

    def store(self, at: int, size: int, value: int) -> None:
        """A program's store. Stop for one that the verifier refuses."""
        assert self.access is not None
        one = self.access.writes.get((at, size))
        if one is None:
            raise Stop("access", self.access.refused(at, size, write=True))
        if one.name == "queue_mapping" and value >= NO_QUEUE:
            return
        value &= mask(one.bits) if size == one.size else mask(8 * size)
        self.region.data[at : at + size] = value.to_bytes(size, "little")

    def legacy(self, place: int, size: int) -> int | None:
        """What a legacy packet load gives; None outside of the packet, where the function of the load returns 0.

        place: 32 bits, as the kernel counts it. A negative one counts from a header; all others are nowhere.
        """
        assert self.frame is not None, "refused at load for types without an skb"
        at = signed(place & M32, 32)
        if at < 0:
            if at < FROM_MAC:
                return None
            at += self.skb.network - FROM_NETWORK if at >= FROM_NETWORK else self.skb.mac - FROM_MAC
        packet = self.frame.packet  # all of it: an skb is in one piece
        if at + size > packet.size:
            return None
        return int.from_bytes(packet.data[at : at + size] if at >= 0 else self.frame.read(at, size), "big")

    def __getitem__(self, name: str) -> int:
        """A field's value, whether the program may read it or not."""
        at, size = self._place(name)
        return int.from_bytes(self.region.data[at : at + size], "little")

    def __setitem__(self, name: str, value: int) -> None:
        at, size = self._place(name)
        self.region.data[at : at + size] = value.to_bytes(size, "little")

    def refresh(self) -> None:
        """The packet moved: its addresses and its length stand in the context again."""
        assert self.access is not None
        assert self.frame is not None
        frame = self.frame
        places = {"packet": frame.start, "packet_end": frame.linear, "packet_meta": frame.meta}
        for one in self.access.layout.fields:
            if one.pointer in places:
                address = frame.base + places[one.pointer]
                self.region.data[one.offset : one.end] = address.to_bytes(one.size, "little")
        if self.access.layout.name == "__sk_buff":
            self["len"] = frame.size

    def fields(self) -> Mapping[str, int]:
        """The fields as they are now, by name; decoded when asked for."""
        if self.access is None:
            return {}
        if self.access.layout.name == "xdp_md":
            assert self.frame is not None
            meta = self.frame.start - self.frame.meta
            return Fields(self.access.shown, bytes(self.region.data), {"data_meta": meta})
        keys = next((one for one in self.pointers.values() if one is not None and one.name == "flow keys"), None)
        return Fields(self.access.shown, bytes(self.region.data)) if keys is None else _flow_keys(keys, self)

    def buffer(self) -> bytes | None:
        """A plain buffer's bytes; None where the context has fields."""
        return bytes(self.region.data) if self.access is None else None

    def _target(self, kind: str, offset: int) -> Operand:
        frame = self.frame
        if kind == "packet" and frame is not None:
            return Pointer(frame.packet, 0)
        if kind == "packet_end" and frame is not None:
            return Pointer(frame.packet, frame.packet.size)
        if kind == "packet_meta" and frame is not None:
            return Pointer(frame.metadata, 0)
        region = self.pointers.get(offset)
        return 0 if region is None else Pointer(region, 0)

    def _place(self, name: str) -> tuple[int, int]:
        assert self.access is not None
        one = self.access.layout.field(name)
        assert one is not None, f"{self.access.layout.name} has a field {name}"
        return one.offset, one.size


@dataclass(slots=True)  # not frozen: one is made for every run, in a third of the time
class Fields(Mapping[str, int]):
    """Fields by name, out of a context's bytes. more: what stands elsewhere."""

    shown: Mapping[str, tuple[int, int]]
    data: bytes
    more: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        if name in self.more:
            return self.more[name]
        at, size = self.shown[name]
        return int.from_bytes(self.data[at : at + size], "little")

    def __iter__(self) -> Iterator[str]:
        yield from self.more
        yield from (name for name in self.shown if name not in self.more)

    def __len__(self) -> int:
        return len(set(self.shown) | set(self.more))


def _flow_keys(keys: Region, context: Context) -> Mapping[str, int]:
    """The flow dissector's answer, its offsets brought inside the packet as the kernel does it (measured on 6.18)."""
    from bpfvm.emulator.contexts.access import names
    from bpfvm.tables.ctx import STRUCTURES

    assert context.frame is not None
    size, data = min(context.frame.size, mask(16)), bytearray(keys.data)
    network = max(14, min(int.from_bytes(data[0:2], "little"), size))
    transport = max(network, min(int.from_bytes(data[2:4], "little"), size))
    data[0:2], data[2:4] = network.to_bytes(2, "little"), transport.to_bytes(2, "little")
    shown = {name: (at, one.size) for one in STRUCTURES["bpf_flow_keys"].fields for name, at in names(one)}
    return Fields(shown, bytes(data))
