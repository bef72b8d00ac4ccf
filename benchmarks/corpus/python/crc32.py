"""The CRC of IEEE 802.3 of the first bytes of a word, bit by bit."""

from bpfvm import bpf, u32, u64


@bpf.function
def crc32(word: u64, size: u32) -> u32:
    crc = 0xFFFFFFFF
    for _ in range(min(size, 8)):
        crc ^= word & 0xFF
        word >>= 8
        for _ in range(8):
            crc = crc >> 1 ^ 0xEDB88320 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF
