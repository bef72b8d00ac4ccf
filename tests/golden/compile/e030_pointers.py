"""Pointers of maps that may be None, used as if they were there; and numbers stored where pointers stand."""

from __future__ import annotations

from bpfvm import Hash, UserPtr, char, struct, u32, u64

names = Hash(u32, UserPtr[char])


@struct
class Kept:
    name: UserPtr[char]


def program(key: u32, address: u64) -> u64:
    name = names.get(key)
    a = name[0]  #~ E030 `name` may be None here
    b = name.str(16)  #~ E030 `name` may be None here
    c = name == UserPtr[char](address)  #~ E030 `name` may be None here
    names[1] = name  #~ E030 `name` may be None here
    kept = Kept(name=name)  #~ E030 `name` may be None here
    names[2] = address  #~ E020 the element must be `UserPtr[char]`, and `address` is u64
    if name and name.value > address:
        return name.value
    match name:
        case None:
            return 1
    return names.pop(key, None)  #~ E024 a program returns a number, and `names.pop(key, None)` is a UserPtr[char] or None
