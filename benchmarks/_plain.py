"""Functions as somebody writes them who knows Python and the protocols and nothing of bpfvm's rules: no cast anywhere
but where the result is meant to wrap (`& 0xFFFFFFFF`, as Python's own hashes are written).

What the compiler refuses of them is the noise of its rules. They are measured, not run: see benchmarks/noise.py.
"""

from bpfvm import s32, s64, u8, u16, u32, u64

M32 = 0xFFFFFFFF
M64 = 0xFFFFFFFFFFFFFFFF


def fold_checksum(total: u64) -> u16:
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def checksum_update(check: u16, old: u16, new: u16) -> u16:
    total = (~check & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def fnv1a(a: u32, b: u32) -> u32:
    h = 0x811C9DC5
    for word in (a, b):
        for shift in range(0, 32, 8):
            h = ((h ^ (word >> shift & 0xFF)) * 0x01000193) & M32
    return h


def fnv1a_64(a: u64, b: u64) -> u64:
    h = 0xCBF29CE484222325
    for word in (a, b):
        for shift in range(0, 64, 8):
            h = ((h ^ (word >> shift & 0xFF)) * 0x100000001B3) & M64
    return h


def murmur_mix(h: u32) -> u32:
    h ^= h >> 16
    h = h * 0x85EBCA6B & M32
    h ^= h >> 13
    h = h * 0xC2B2AE35 & M32
    return h ^ h >> 16


def splitmix(x: u64) -> u64:
    x += 0x9E3779B97F4A7C15
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9
    x = (x ^ x >> 27) * 0x94D049BB133111EB
    return x ^ x >> 31


def jenkins(a: u32, b: u32, c: u32) -> u32:
    for _ in range(4):
        a = (a - c ^ (c << 4 | c >> 28)) & M32
        c = (c + b) & M32
        b = (b - a ^ (a << 6 | a >> 26)) & M32
        a = (a + c) & M32
        c = (c - b ^ (b << 8 | b >> 24)) & M32
        b = (b + a) & M32
    return c


def toeplitz(src: u32, dst: u32, ports: u32) -> u32:
    key = 0x6D5A56DA255B0EC24167253D43A38FB0
    result = 0
    window = key >> 96
    for word in (src, dst, ports):
        for bit in range(32):
            if word >> (31 - bit) & 1:
                result ^= window
            window = (window << 1) & M32
    return result


def token_bucket(now: u64, last: u64, tokens: u32, rate: u32, burst: u32) -> u32:
    elapsed = now - last
    tokens += elapsed * rate // 1_000_000_000
    if tokens > burst:
        tokens = burst
    if tokens < 1:
        return 0
    return tokens - 1


def ewma(average: u32, sample: u32) -> u32:
    return (average * 7 + sample) // 8


def smoothed_rtt(srtt: u32, rttvar: u32, rtt: u32) -> u32:
    delta = rtt - srtt
    if delta < 0:
        delta = -delta
    rttvar = (3 * rttvar + delta) // 4
    srtt = (7 * srtt + rtt) // 8
    return srtt + 4 * rttvar


def microseconds(start: u64, end: u64) -> u32:
    if end < start:
        return 0
    return (end - start) // 1000


def log2_slot(value: u64) -> u8:
    slot = value.bit_length()
    if slot > 25:
        slot = 25
    return slot


def linear_slot(value: u32, low: u32, width: u32, slots: u8) -> u8:
    if value < low or width == 0:
        return 0
    slot = (value - low) // width + 1
    return min(slot, slots - 1)


def percent(part: u64, whole: u64) -> u32:
    if whole == 0:
        return 0
    return part * 100 // whole


def bits_per_second(size: u32, nanoseconds: u64) -> u64:
    if nanoseconds == 0:
        return 0
    return size * 8 * 1_000_000_000 // nanoseconds


def mean_and_deviation(count: u32, total: u64, squares: u64) -> u64:
    if count == 0:
        return 0
    mean = total // count
    variance = squares // count - mean * mean
    root = 0
    bit = 1 << 31
    while bit:
        if (root + bit) * (root + bit) <= variance:
            root += bit
        bit >>= 1
    return root


def header_length(first: u8, total: u16) -> u16:
    length = (first & 15) * 4
    if length < 20 or length > total:
        return 0
    return total - length


def is_private(address: u32) -> bool:
    return (
        address >> 24 == 10 or address >> 20 == 0xAC1 or address >> 16 == 0xC0A8 or 0xA9FE0000 <= address <= 0xA9FEFFFF
    )


def same_network(a: u32, b: u32, prefix: u8) -> bool:
    if prefix > 32:
        return False
    mask = M32 << (32 - prefix) & M32
    return a & mask == b & mask


def sequence_before(a: u32, b: u32) -> bool:
    difference = (a - b) & M32
    return difference > 0x7FFFFFFF


def window_left(ack: u32, window: u16, scale: u8, next_sequence: u32) -> u32:
    if scale > 14:
        scale = 14
    edge = (ack + (window << scale)) & M32
    return (edge - next_sequence) & M32


def days_since_epoch(year: u16, month: u8, day: u8) -> s32:
    if month <= 2:
        year -= 1
        month += 12
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def crc32(word: u32) -> u32:
    crc = M32
    for shift in range(0, 32, 8):
        crc ^= word >> shift & 0xFF
        for _ in range(8):
            if crc & 1:
                crc = crc >> 1 ^ 0xEDB88320
            else:
                crc >>= 1
    return crc ^ M32


def popcount(x: u64) -> u8:
    count = 0
    while x:
        x &= x - 1
        count += 1
    return count


def reverse_bits(x: u32) -> u32:
    result = 0
    for _ in range(32):
        result = result << 1 | x & 1
        x >>= 1
    return result


def weighted_choice(number: u32, first: u16, second: u16, third: u16) -> u8:
    total = first + second + third
    if total == 0:
        return 0
    point = number % total
    for index, weight in enumerate((first, second, third)):
        if point < weight:
            return index
        point -= weight
    return 2


def consistent_hash(key: u64, buckets: u32) -> s32:
    chosen = -1
    candidate = 0
    for _ in range(64):
        if candidate >= buckets:
            break
        chosen = candidate
        key = key * 2862933555777941757 + 1
        candidate = (chosen + 1) * (1 << 31) // ((key >> 33) + 1)
    return chosen


def backoff(attempt: u8, base: u32, limit: u32) -> u32:
    delay = base
    for _ in range(attempt):
        delay *= 2
        if delay > limit:
            return limit
    return delay


def fixed_point_rate(numerator: s32, denominator: s32) -> s64:
    if denominator == 0:
        return 0
    return numerator * 65536 // denominator


def collatz(n: u32) -> u32:
    steps = 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def fibonacci(n: u8) -> u64:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def greatest_common_divisor(a: u64, b: u64) -> u64:
    while b:
        a, b = b, a % b
    return a


def power_mod(base: u32, exponent: u32, modulus: u32) -> u32:
    if modulus == 0:
        return 0
    result = 1
    base %= modulus
    while exponent:
        if exponent & 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent >>= 1
    return result


def digits(n: u64) -> u8:
    count = 1
    while n >= 10:
        n //= 10
        count += 1
    return count


def scaled_temperature(raw: u16) -> s32:
    return raw * 17572 // 65536 - 4685


def luminance(red: u8, green: u8, blue: u8) -> u8:
    return (red * 299 + green * 587 + blue * 114) // 1000


def clamp(value: s64, low: s64, high: s64) -> s64:
    return max(low, min(value, high))
