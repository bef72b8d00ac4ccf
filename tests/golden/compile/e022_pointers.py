"""Pointers where numbers are wanted, and what no pointer can do."""

from __future__ import annotations

from bpfvm import KernelPtr, UserPtr, char, struct, u32, u64


@struct
class Kept:
    name: UserPtr[char]
    size: u32


@struct
class Named:
    value: u64


def program(v: UserPtr[Named], p: UserPtr[char], q: KernelPtr[u64], r: UserPtr[None], n: u32) -> u64:
    z = v.value  #~ E037 `value` is a field of `Named`, and a name of all pointers
    a = p + 1  #~ E022 `+` takes numbers, and `p` is a UserPtr[char]
    b = p == q  #~ E022 a UserPtr[char] is compared with a KernelPtr[u64]
    c = p < p  #~ E022 a UserPtr[char] is compared with a UserPtr[char]
    d = u64(p)  #~ E022 `u64` takes numbers, and `p` is a UserPtr[char]
    e = p["a"]  #~ E037 `char` has no field `a`
    g = p.str(n)  #~ E013 `p.str` takes a constant number of bytes
    h = p[0:n]  #~ E022 the slice `p[0:n]` has no constant bounds
    i = r[0]  #~ E022 what `UserPtr[None]` points to is not known
    j = len(p)  #~ E022 `p` is a UserPtr[char], which has no length
    k = p[p]  #~ E022 a pointer takes a number as its index
    one = Kept(name=q)  #~ E020 field `name` of Kept must be `UserPtr[char]`, and `q` is a KernelPtr[u64]
    one.name = n  #~ E020 field `name` of Kept must be `UserPtr[char]`
    one.size = p  #~ E020 field `size` of Kept must be `u32`, and `p` is a UserPtr[char]
    text = UserPtr[n](0)  #~ E022 `UserPtr[n]` points to a type
    x = UserPtr[u32]("a")  #~ E022 `UserPtr[u32]` takes an address
    y = p.copy(1)  #~ E013 `p.copy` takes no arguments
    match p:
        case 5:  #~ E022 a UserPtr[char] is compared with int
            return 1
        case None:
            return 2
    return q  #~ E024 a program returns a number, and `q` is a KernelPtr[u64]
