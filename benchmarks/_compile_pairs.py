"""The functions that `benchmarks/compile.py` compiles; _compile_pairs.c has the same ones in C."""

from bpfvm import bpf, s32, s64, u32, u64


@bpf.function
def mixed(a: u32, b: u32, c: u64) -> u64:
    h = u64(14695981039346656037)
    for i in range(16):
        h = (h ^ ((a >> i) & 255) ^ b) * 1099511628211
    return h + c


@bpf.function
def gcd(a: u32, b: u32) -> u64:
    for _ in range(1000):
        if b == 0:
            break
        a, b = b, a % b
    return u64(a)


@bpf.function
def bucket(size: u32, unused: u32) -> u64:
    edge = u64(64)
    found = 0
    while edge < size and found < 16:
        edge *= 2
        found += 1
    return u64(found * 100 + (1 if size < 64 else 2 if size > 1500 else 3))


@bpf.function
def clamp_sum(low: s32, high: s32, c: s32) -> s64:
    total = s64(0)
    for i in range(50):
        step = c * i
        if step < low:
            step = low
        elif step > high:
            step = high
        total += step
    return total
