"""value: a pointer or None, which a loop's turns bind anew: found, taken away, and left as it was before."""
from bpfvm import Array, Hash, UserPtr, bpf, char, pkt, u32, u64

names = Hash(u32, UserPtr[char], 8, contents={1: UserPtr[char](0x1000), 2: UserPtr[char](0x2000)})
out = Array(u64, 4)


@bpf.xdp
def f(ctx) -> int:
    found = None
    last = names.get(pkt[3])
    for i in range(3):
        if found is not None:
            out[0] += found.value
        found = names.get(pkt[i])
        if last is not None and last.value == 0x2000:
            last = None
        elif last is None:
            last = found
    walked = UserPtr[char](pkt[4])
    while walked is not None:
        out[1] += walked.value
        walked = names.get(u32(walked.value)) if walked.value < 8 else None
    if found:
        out[2] += found.value
    return 1 if last is None else u32(last.value)


INPUTS = (
    (bytes(14),), (b"\x01\x02\x03\x01\x01" + bytes(9),), (b"\x02\x01\x02\x02\x02" + bytes(9),),
    (b"\x00\x00\x01\x00\x09" + bytes(9),), (b"\x01\x00\x00\x07\x00" + bytes(9),),
)  # fmt: skip
