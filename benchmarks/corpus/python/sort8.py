"""Batcher's network sorts the eight bytes of a word; the least comes out lowest."""

from bpfvm import bpf, u8, u64

PAIRS = (
    ((0, 1), (2, 3), (4, 5), (6, 7)), ((0, 2), (1, 3), (4, 6), (5, 7)), ((1, 2), (5, 6)),
    ((0, 4), (1, 5), (2, 6), (3, 7)), ((2, 4), (3, 5)), ((1, 2), (3, 4), (5, 6)),
)  # fmt: skip


@bpf.function
def sort8(word: u64) -> u64:
    b = u8[8](word >> 8 * i & 0xFF for i in range(8))
    for layer in PAIRS:
        for low, high in layer:
            if b[low] > b[high]:
                b[low], b[high] = b[high], b[low]
    return int.from_bytes(b[0:8], "little")
