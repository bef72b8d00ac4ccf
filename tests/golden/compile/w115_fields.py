"""Stores to fields that may cut the value; those that cannot, and counters."""

from __future__ import annotations

from typing import Annotated

from bpfvm import be16, bits, struct, u8, u32


@struct
class Event:
    pid: u32 = 0
    port: be16 = 0
    low: Annotated[int, bits(u8, 4)] = 0
    kind: u8 = 0


def program(a: u32, b: u32) -> u32:
    e = Event(kind=300, port=a)  #~ W115 `300` may not fit u8; field `kind` of Event  #~ W115 `a` may not fit u16
    e.kind = a  #~ W115 `a` may not fit u8; field `kind` of Event keeps it mod 2**8
    e.low = a & 31  #~ W115 `a & 31` may not fit 4 bits
    e.kind += 1  #~ W115 `e.kind += 1` may not fit u8
    e.pid = a + b  #~ W115 `a + b` may not fit u32
    e.pid += 1
    e.kind = u8(a)
    e.low = a & 15
    data = u8[2](a, b & 3)  #~ W115 `a` may not fit u8; an item of u8[2] keeps it mod 2**8
    return e.kind + data[1]
