"""Texts as parameters: they are pointers, to a process's memory or to the kernel's."""

from bpfvm import Ring, UserPtr, char, struct, u64

# hook: uprobe /bin/bash:readline


@struct
class Line:
    name: char[16]


lines = Ring(Line)


def program(who: str, data: bytes, of: "str", other: float, size: u64, name: UserPtr[char]):  #~ E014 parameter who has no type of an argument, but str  #~ E014 parameter data has no type of an argument, but bytes  #~ E014 parameter of has no type of an argument, but str  #~ E014 parameter other has no type of an argument, but float
    lines.submit(Line(name=name))
