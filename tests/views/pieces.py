"""Functions on packets in several pieces, and on the metadata before them."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, Counter, bpf, pkt, struct, u8, u16, u32, u64
from tests.views import programs

places = Counter(u32)


def stored_anywhere(ctx: Any) -> int:
    """Loads and stores at a place that the packet names, which may lie in any piece."""
    ip = pkt.ip
    where = ip.src & 0xFFFF
    places[0] += pkt[where]
    places[1] += int.from_bytes(pkt[where : where + 4], "big")
    if ip.tos & 1:
        pkt[where] ^= 0x55
    if ip.tos & 2:
        pkt[where : where + 2] = b"ab"
        ip.ttl -= 1
        ip.dscp = 3
        ip.data[where : where + 3] = pkt[0:3]
    if ip.tos & 4:
        pair = pkt.at(programs.Pair, where)
        places[2] += pair.d * 2 + pair.b
        places[3] += pkt[0:6] == pkt[6:12]
    return u8(pkt[where]) + len(pkt[where:])


def summed_up(ctx: Any) -> int:
    """A walk through all of it."""
    total = 0
    for at in range(0, 9000, 512):
        if at >= len(pkt):
            break
        total += pkt[at]
    pkt[len(pkt) - 1] = total
    return total


_BOTH = (*programs.READERS, programs.fields_written, programs.swapped, stored_anywhere)
XDP = tuple(bpf.xdp(frags=True)(one) for one in (*_BOTH, summed_up))
TC = tuple(bpf.tc(frags=True)(one) for one in (*_BOTH, summed_up))
LWT = tuple(bpf.lwt_xmit(frags=True)(programs.noted(one)) for one in programs._INNER)


@struct
class Note:
    mark: u32
    parts: u16[4]  # type: ignore[type-arg, valid-type]
    kind: u8


seen = Array(u64, 4)


@bpf.xdp(on_fault=0)
def noted(ctx: Any) -> int:
    """Metadata that is there, that is made, written and read by every kind of view, and given back in part."""
    seen[0] = len(pkt.meta)
    if pkt.ip.ttl == 1:
        seen[1] = pkt.meta[pkt.ip.tos]
        return 1
    if pkt.adjust_meta(-16):
        return 1
    note = pkt.meta.at(Note)
    note.mark = pkt.ip.dst + 5
    note.parts[pkt.ip.tos & 3] = 700
    note.kind += 1
    pkt.meta[15] = 7
    rest = pkt.meta[4:]
    rest[9] ^= 3
    pkt.meta[12:14] = b"ab"
    seen[1] = int.from_bytes(pkt.meta[0:8], "little")
    seen[2] = pkt.meta.at(Note, 0).parts[pkt.ip.tos & 3] + len(rest)
    for at in range(6):
        seen[3] += pkt.meta[at + (pkt.ip.src & 0x1F)]
    if pkt.adjust_meta(8) == 0:
        seen[3] = len(pkt.meta) * 1000 + pkt.meta[4]
        return 2 if pkt.meta[6:8] == b"\0\7" else 1
    return 2


@bpf.xdp
def handed_on(ctx: Any) -> int:
    """What moves the packet's start takes its metadata along."""
    if pkt.adjust_meta(-4) or len(pkt.meta) < 4:
        return 1
    pkt.meta[0:4] = b"mark"
    if pkt.adjust_head(14):
        return 0
    return 3 if pkt.meta[0:4] == b"mark" else 1


@bpf.tc
def taken_over(skb: Any) -> int:
    """Nobody puts metadata before packets of BPF_PROG_TEST_RUN, or of an emulated tc hook."""
    if len(pkt.meta) == 0:
        return 0
    return u32(pkt.meta[0] + 10)


META = (noted, handed_on)
