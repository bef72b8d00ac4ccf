"""Values that a field, an element, a slice or an array cannot take."""

from __future__ import annotations

from bpfvm import char, comm, pid, struct, u8, u16, u32


@struct
class Point:
    x: u32 = 0


@struct
class Event:
    pid: u32
    comm: char[16]
    at: Point
    words: u16[4]


def program(a: u32) -> u32:
    e = Event(pid="text")  #~ E020 field `pid` of Event must be `u32`, and `"text"` is the str 'text'
    e.comm = a  #~ E020 field `comm` of Event must be `char[16]` (16 bytes), and `a` is int
    e.comm = comm  #~ E020 field `comm` of Event must be `char[16]` (16 bytes), and `comm` is an object of type Comm
    e.pid = pid  #~ E020 field `pid` of Event must be `u32`, and `pid` is an object of type Reading
    e.at = e  #~ E020 field `at` of Event must be `Point` (4 bytes), and `e` is a struct Event
    e.words = b"abc"  #~ E020 must be `u16[4]` (8 bytes)
    e.words[1] = e.at  #~ E020 an element of u16[4] must be `u16`, and `e.at` is a struct Point
    e.comm[0:4] = "ab"  #~ E020 the slice `e.comm[0:4]` must be `char[4]` (4 bytes)
    data = u8[4](1, None)  #~ E020 an item of u8[4] must be `u8`, and `None` is None
    return data[0]
