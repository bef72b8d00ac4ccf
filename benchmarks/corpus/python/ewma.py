"""An exponentially weighted mean with 8 bits behind the point, and the mean deviation beside it, as TCP keeps them."""

from bpfvm import bpf, u32, u64


@bpf.function
def ewma(mean: u32, deviation: u32, sample: u32) -> u64:
    mean &= 0xFFFFFF
    deviation &= 0xFFFFFF
    error = ((sample & 0xFFFF) << 8) - mean
    mean += error >> 3
    deviation += (abs(error) - deviation) >> 2
    return mean << 32 | deviation
