"""What is written in Python otherwise, and what is written here instead."""

import random
import time

from bpfvm import Counter, Hash, UserPtr, bpf, char, struct, u8, u16, u32, u64

# hook: uprobe /bin/bash:readline


@struct
class Pair:
    src: u32
    dst: u32


@struct
class Line:
    text: char[16]


SERVICES = {22: "ssh", 443: "https"}
SHIFTS = {-1: 5, 1: -5}
pairs = Counter(Pair)
totals = Hash(u64, u64)
names = Counter(char[8])


def program(n: u32, port: u16, address: u64, of: UserPtr[char], some: UserPtr[Pair], raw: UserPtr[u8]):
    text = of.str(16)
    if "passwd" in text:  #~ E022 `in` looks for one byte of `text`, and `"passwd"` is the str 'passwd'
        return
    if b"/" in text:  #~ E022 `in` looks for one byte of `text`
        return
    if b"/"[0] in text:
        return
    if text[0] == "/":  #~ E022 `==` compares numbers, and `"/"` is the str '/'
        return
    if text[0] == b"/":  #~ E022 `==` compares numbers
        return
    if text.endswith(b"wd"):  #~ E037 `char[16]` has no field `endswith`
        return
    print(of)  #~ E022 `of` is a UserPtr[char], which is not printed
    print(some)  #~ E022 `some` is a UserPtr[Pair], which is not printed
    print(raw)  #~ E022 `raw` is a UserPtr[u8], which is not printed
    print("n is %x" % n)  #~ E022 `%` takes numbers, and `"n is %x"` is the str 'n is %x'
    print("n is {}".format(n))  #~ E022 takes constants here, and `n` is known only
    again = bytes(text)  #~ E022 the type `bytes` takes constants here, and `text` is known only
    names[SERVICES[port]] += 1  #~ W113 `SERVICES` is a dict #~ E022 the index of an object of type dict must be a constant
    shift = SHIFTS[n]  #~ W113 `SHIFTS` is a dict #~ E022 the index of an object of type dict must be a constant
    pairs[n, port] += 1  #~ E020 key of `pairs` must be `Pair` (8 bytes), got a tuple of 2
    key = (n, port)
    pairs[key] += 1  #~ E020 key of `pairs` must be `Pair` (8 bytes), got a tuple of 2
    totals[key] = 1  #~ E020 key of `totals` must be `u64` (8 bytes), got a tuple of 2
    line = Line(text=address)  #~ E020 field `text` of Line must be `char[16]`
    bpf.redirect(3)  #~ E037 has no attribute `redirect`
    bpf.no_such_thing(3)  #~ E037 has no attribute `no_such_thing`
    if random.randint(0, 9) == 0:  #~ E063 `random.randint` is Python's own chance
        return
    if random.getrandbits(8) == 0:  #~ E063 the function `getrandbits` is not available in this version
        return
    now = time.time_ns()  #~ W112 `time.time_ns()` is called once
