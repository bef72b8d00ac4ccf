"""A number in the place of a pointer that is missing."""

from bpfvm import Hash, Ring, UserPtr, char, struct, tid, u32

# hook: uretprobe /bin/bash:readline


@struct
class Line:
    name: char[16]


names = Hash(u32, UserPtr[char])
lines = Ring(Line)


def program(ret: UserPtr[char]):
    lines.submit(Line(name=names.get(tid(), 0)))  #~ E047 is a UserPtr[char] on one path and int on another
    lines.submit(Line(name=names.get(tid(), UserPtr[char](0))))
    name = names.pop(tid(), 0)  #~ E047 is a UserPtr[char] on one path and int on another
    other = ret if tid() > 5 else 0  #~ E047 is a UserPtr[char] on one path and int on another
