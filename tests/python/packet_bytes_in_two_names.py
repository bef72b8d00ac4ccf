"""value: bytes that a name keeps stay what they were when others are fetched."""
from bpfvm import bpf, pkt


@bpf.socket(on_fault=3)
def f(ctx) -> int:
    first = pkt.eth.dst
    word = pkt[0:4]
    second = pkt.eth.src
    if first == second:
        return 1
    return int.from_bytes(word, "big") ^ second[0] ^ first[5]


INPUTS = ((b"\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x08\0" + bytes(20),), (b"\1" * 12 + b"\x08\0" + bytes(20),))
