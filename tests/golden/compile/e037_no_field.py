"""Fields that a struct does not have, and arguments that it does not take."""

from __future__ import annotations

from bpfvm import struct, u8, u32


@struct
class Event:
    pid: u32 = 0
    comm: u8 = 0


def program(a: u32) -> u32:
    e = Event(pidd=a)  #~ E037 `Event` has no field `pidd`
    e = Event(a)  #~ E013 `Event` takes its fields by name
    e = Event(pid=a)
    e.pidd = a  #~ E037 `Event` has no field `pidd`
    e.com += 1  #~ E037 `Event` has no field `com`
    data = u8[2](1, 2, 3)  #~ E013 `u8[2]` takes up to 2 items, and got 3
    data = u8[2]()
    e.copy(a)  #~ E013 `copy` takes 0 arguments here, and got 1
    match e:
        case Event(tid=1):  #~ E037 `Event` has no field `tid`
            return 1
    return e.uid + data.size  #~ E037 `Event` has no field `uid`  #~ E037 `u8[2]` has no field `size`
