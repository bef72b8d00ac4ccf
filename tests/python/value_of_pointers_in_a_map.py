"""value: a pointer that stands in a map, or None; stored by a test that found it, copied by pop, and given back by paths."""
from bpfvm import Array, Hash, UserPtr, bpf, char, pkt, u32, u64

names = Hash(u32, UserPtr[char], 4)
last = Array(UserPtr[char], 2)
out = Array(u64, 4)


@bpf.xdp
def f(ctx) -> int:
    key = pkt[0]
    name = names.get(key)
    if name is None:
        names[key] = UserPtr[char](0x1000 + pkt[1])
        out[0] += 1
        return 2
    last[key & 1] = name
    other = names.get(pkt[2]) if pkt[3] else None
    either = other or name
    if either == name:
        out[1] += either.value
    if other:
        out[2] += other.value
    gone = names.pop(pkt[4], None)
    if gone is None:
        gone = UserPtr[char](7)
    out[3] += gone.value + last[1].value
    return u32(gone.value)


INPUTS = (
    (bytes(14),), (bytes(14),), (b"\x01\x05\x01\x01\x01" + bytes(9),), (b"\x01\x05\x01\x01\x09" + bytes(9),),
    (b"\x01\x05\x00\x01\x01" + bytes(9),), (b"\x01\x00\x01\x01" + bytes(10),),
)  # fmt: skip
