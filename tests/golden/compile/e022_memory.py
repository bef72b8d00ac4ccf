"""Structs and arrays as operands, indexes and slices of the wrong kind."""

from __future__ import annotations

from bpfvm import char, struct, u8, u32


@struct
class Point:
    x: u32 = 0


@struct
class Other:
    x: u32 = 0


def program(a: u32) -> u32:
    p, q, data, name = Point(), Other(), u8[16](), char[16]()
    total = p + 1  #~ E022 `+` takes numbers, and `p` is a struct Point
    total += p == q  #~ E022 `==` compares values of one type, and `p` is a struct Point, `q` a struct Other
    total += data == "text"  #~ E022 `==` compares values of one type
    total += p < p  #~ E022 `<` compares numbers
    total += data[p]  #~ E022 an array takes a number as its index
    total += p[0]  #~ E022 which has no items
    total += data[a : a + data[0]][0]  #~ E022 the length of the slice `data[a : a + data[0]]` is not constant
    total += data[0:8:2][0]  #~ E022 the bounds of a slice are numbers, and it has no step
    total += name.startswith(a)  #~ E022 `startswith` takes a constant text
    total += len(u8[a]())  #~ E022 the length in `u8[a]` is a constant
    total += data[0:2, 1]  #~ E022 a slice stands alone in its brackets
    total += p is q  #~ E044 `is` compares identities
    return total
