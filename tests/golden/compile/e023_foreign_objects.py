"""Objects of ctypes and of dataclasses, which compute by rules of their own."""

import ctypes
import dataclasses

from bpfvm import u8, u32


class Header(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint8), ("length", ctypes.c_uint32)]


@dataclasses.dataclass
class Point:
    x: u8 = 0


def program(a: u32) -> u32:
    h = Header(kind=a)  #~ E023 `Header` is a ctypes structure
    p = Point(a)  #~ E023 `Point` is a dataclass
    return h.kind + p.x
