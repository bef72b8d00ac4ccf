"""value: what the operand deletes is stored anew, and is no more what the test found."""
from bpfvm import Counter, Hash, bpf, pkt, u32, u64

plain = Hash(u32, u64, 4)
signed = Hash(u32, u64, 4, default=3)
counts = Counter(u32)


@bpf.xdp
def f(ctx) -> int:
    k = pkt.eth.type & 1
    if k in plain:
        plain[k] <<= int(plain.pop(k)) & 3
        if k in plain:
            plain[k] += plain.pop(k) + 1
    else:
        plain[k] = 5
    if k in signed:
        signed[k] //= (signed.pop(k, u64(0)) | 1)
        signed[k] += 7
    signed[k] += signed.pop(k, u64(1))
    counts[k] ^= counts.pop(k, u64(9))
    return 2


INPUTS = ((bytes(14),), (bytes(14),), (bytes(13) + b"\x01",), (bytes(14),), (bytes(13) + b"\x01",))
