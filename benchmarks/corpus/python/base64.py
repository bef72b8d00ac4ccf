"""Three bytes as four digits of base 64 (RFC 4648), the first one lowest."""

from bpfvm import bpf, u32

A, LOWER, ZERO = 65, 97, 48


def digit(number):
    if number < 26:
        return A + number
    if number < 52:
        return LOWER + number - 26
    if number < 62:
        return ZERO + number - 52
    return 43 if number == 62 else 47


@bpf.function
def base64(word: u32) -> u32:
    text = 0
    for at in range(4):
        text |= digit(word >> 18 - 6 * at & 63) << 8 * at
    return text
