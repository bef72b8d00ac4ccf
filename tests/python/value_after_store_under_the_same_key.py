"""value: what a test has found is another element after a store under a key that is the same in the run."""
from bpfvm import Hash, bpf, pkt, u32, u64

seen = Hash(u32, u64, 4)
bytes_of = Hash(u32, u64, 4)


@bpf.xdp
def f(ctx) -> int:
    a, b = pkt[0], pkt[1]
    if a not in seen:
        seen[a] = 1
        bytes_of[a] = 2
        return 0
    seen[b] = 100
    seen[a] = seen[a] + (1 << 40)
    if a in bytes_of:
        bytes_of[b] = seen[a] + 7
        bytes_of[a] = bytes_of[a] ^ 9
        return u32(bytes_of[a])
    return 1


INPUTS = ((bytes(14),), (bytes(14),), (b"\x01" + bytes(13),), (b"\x01" + bytes(13),), (b"\x01\x01" + bytes(12),))
