"""Memory behind pointers: it is copied before it is compared, and not stored to."""

from __future__ import annotations

from bpfvm import KernelPtr, UserPtr, char, struct, u8, u32, u64


@struct
class Point:
    x: u32
    name: u8[16]


def program(filename: UserPtr[char], p: UserPtr[Point], q: KernelPtr[u64]) -> u32:
    if filename == "/etc/passwd":  #~ E031 `filename` points to user memory; comparing its contents needs a copy
        return 1
    if "a longer text than 16" != q:  #~ E031 `q` points to kernel memory; comparing its contents needs a copy
        return 2
    if p.name == b"sixteen bytes...":  #~ E031 `p.name` points to user memory
        return 3
    p.x = 1  #~ E031 `p.x` lies in user memory, which a program reads only
    p.x += 1  #~ E031 `p.x` lies in user memory, which a program reads only
    q[0] = 5  #~ E031 `q[0]` lies in kernel memory
    p.name[0:4] = b"abcd"  #~ E031 `p.name[0:4]` lies in user memory
    return 0
