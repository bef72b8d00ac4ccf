"""What the context says of a packet as LLVM IR: emulator.contexts.builder, for packets with an Ethernet header.

The bytes of a packet lie from %start to %finish, %size of them, at guest addresses; the context is at %ctxp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.ctx.ethernet import ETH, HOST, LEAST_TYPE, LLC, MULTICAST, OTHER_HOST, RAW, swapped

# Fields of __sk_buff that follow from the packet, and the LLVM values of their widths
_OF_PACKET: Final[Mapping[str, tuple[str, str]]] = {
    "len": ("%size32f", "i32"),
    "pkt_type": ("%packettype", "i32"),
    "protocol": ("%protocol", "i16"),
    "data": ("%start32", "i32"),
    "data_end": ("%finish32", "i32"),
    "data_meta": ("%start32", "i32"),
    "wire_len": ("%size32f", "i32"),
}
GIVEN = frozenset(("data_meta", "pkt_type", "protocol", "wire_len"))  # inputs with one of these are built one by one
_READ = ETH + 2  # bytes that protocol and type of a packet are found by

_XDP = """
  %ctxe = getelementptr i8, ptr %ctxp, i64 4
  %ctxm = getelementptr i8, ptr %ctxp, i64 8
  store i32 %start32, ptr %ctxp
  store i32 %finish32, ptr %ctxe
  store i32 %start32, ptr %ctxm
"""

# Of a packet that is too short, its bytes and zeros behind them are read
_HEADER = f"""
  %framep = getelementptr i8, ptr %base, i64 %start
  %runt = icmp ult i64 %size, {_READ}
  br i1 %runt, label %pad, label %padded
pad:
  call void @llvm.memset.p0.i64(ptr %runtp, i8 0, i64 {_READ}, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %runtp, ptr %framep, i64 %size, i1 false)
  br label %padded
padded:
  %headp = phi ptr [ %framep, %fill ], [ %runtp, %pad ]
  %typep = getelementptr i8, ptr %headp, i64 {ETH - 2}
  %behindp = getelementptr i8, ptr %headp, i64 {ETH}
  %goal64 = load i64, ptr %headp, align 1
  %goal = and i64 %goal64, {(1 << 48) - 1}
  %group = trunc i64 %goal to i1
  %other = icmp ne i64 %goal, 0
  %single = select i1 %other, i32 {OTHER_HOST}, i32 {HOST}
  %packettype = select i1 %group, i32 {MULTICAST}, i32 %single
  %type = load i16, ptr %typep, align 1
  %typeof = call i16 @llvm.bswap.i16(i16 %type)
  %behind = load i16, ptr %behindp, align 1
  %notype = icmp ult i16 %typeof, {LEAST_TYPE}
  %noheader = icmp ult i64 %size, {ETH}
  %israw = icmp eq i16 %behind, -1
  %without = select i1 %israw, i16 {swapped(RAW)}, i16 {swapped(LLC)}
  %long = select i1 %notype, i16 %without, i16 %type
  %protocol = select i1 %noheader, i16 {swapped(LLC)}, i16 %long
  %size32f = trunc i64 %size to i32
"""


def filled(layout: str, template: bool) -> tuple[str, str]:
    """Text in the loop's first block, and text that fills the context of a packet.

    template: whether programs may have stored in the context, so that it is made anew of the bytes at %templatep.
    """
    if layout == "xdp_md":
        return "", _XDP
    row = CONTEXTS[layout]
    first = f"  %runtp = alloca [{_READ} x i8]\n"
    text = _HEADER
    if template:
        text += f"  call void @llvm.memcpy.p0.p0.i64(ptr %ctxp, ptr %templatep, i64 {row.size}, i1 false)\n"
    for name, (value, width) in _OF_PACKET.items():
        one = row.field(name)
        assert one is not None, "a field of every skb"
        text += f"  %f_{name} = getelementptr i8, ptr %ctxp, i64 {one.offset}\n  store {width} {value}, ptr %f_{name}\n"
    return first, text
