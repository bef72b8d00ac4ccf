"""Functions with loops, `match`, `assert` and `raise`, each with inputs that reach its edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpfvm import s8, s16, s32, s64, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class TooLong(Exception):
    """An exception of the user's own."""


def triangle(n: u8) -> u32:
    """What a sum over a range can reach is proved from how often it runs."""
    total = 0
    for i in range(n):
        total += i
    return total


def collatz(n: u32) -> u32:
    """A `while` that nothing bounds but its own count; `else` runs where no `break` left."""
    steps, x = u64(0), u64(n)
    while x > 1:
        x = x * 3 + 1 if x & 1 else x // 2
        steps += 1
        if steps > 500:
            break
    else:
        return u32(steps)
    return 0


def primes(n: u8) -> u32:
    """Loops in loops; `else` of the inner one."""
    count = 0
    for i in range(2, n):
        for j in range(2, i):
            if i % j == 0:
                break
        else:
            count += 1
    return count


def factorial(n: u8) -> u64:
    """A modular number may grow without end."""
    result = u64(1)
    for i in range(1, n + 1):
        result *= i
    return result


def steps_down(n: s32) -> s64:
    """A negative step, past the end of its range; `continue`."""
    total = 0
    for i in range(100, -5, -7):
        if i == n:
            continue
        total += i
    return total


def last_index(n: u8) -> u8:
    """The name of a loop keeps its last value; the range is never empty."""
    for i in range(n + 1):
        if i * i > 200:
            break
    return i


def rebinds(n: u8) -> u32:
    """Binding the loop's name changes nothing of what comes next."""
    total = 0
    for i in range(n & 15):
        i = i * 2
        total += i
        i = 1000
    return total


def evaluated_once(n: u8) -> u32:
    """The bounds are what they were when the loop began."""
    total = 0
    for _ in range(n & 7):
        n = 200
        total += n
    return total


def backwards(n: u8) -> u64:
    """`reversed` and `enumerate` of ranges."""
    result = 0
    for i in reversed(range(n & 7)):
        result = (result * 10 + i) & 0xFFFF_FFFF
    for place, number in enumerate(range(n & 3)):
        result += place * number
    return result


def day_of_year(month: u8, day: u8) -> u16:
    """A loop over captured constants is written out; `break` ends it."""
    total = 0
    for place, days in enumerate(DAYS):
        if place + 1 >= month:
            break
        total += days
    return total + day


def pairs(n: u16) -> u32:
    """Items that are tuples, of values that the program computes."""
    total = 0
    for low, high in ((0, n), (n // 2, 100), (n % 7, 3)):
        if low > high:
            total += 1000
            continue
        total += high - low
    else:
        total += 1
    return total


def zipped(a: u8, b: u8) -> u32:
    """Two tuples at once, as long as the shorter one."""
    total = 0
    for weight, value in zip((1, 10, 100), (a, b), strict=False):
        total += weight * value
    return total


def bytes_of(x: u8) -> u32:
    """A text of bytes is its numbers."""
    found = 0
    for one in b"bpfvm":
        found = found * 2 + (one > x)
    return found


def gcd(a: u32, b: u32) -> u32:
    """Names that change places on each turn."""
    while b:
        a, b = b, a % b
    return a


def root(n: u32) -> u32:
    """A search that halves what is left; the bounds hold each other."""
    low, high = 0, 65536
    while low < high:
        middle = (low + high) // 2
        if middle * middle <= n:
            low = middle + 1
        else:
            high = middle
    return low


def digits(n: u64) -> u32:
    """A modular number that shrinks."""
    total = 0
    while n:
        total += int(n % 10)
        n //= 10
    return total


def three_deep(n: u8) -> u32:
    """Sums of sums of sums."""
    total = 0
    for i in range(n & 7):
        for j in range(i):
            for k in range(j, i):
                total += i * 100 + j * 10 + k
    return total


def leaves_early(n: u8) -> s32:
    """`return` out of two loops."""
    for i in range(10):
        for j in range(10):
            if i * j == n:
                return i * 10 + j
    return -1


def modular_range(a: u64, b: u64) -> u64:
    """A range of u64 gives plain ints."""
    total = u64(0)
    for i in range(a % 100, b % 100, 3):
        total += i
    return total


def signed_range(a: s8, b: s8) -> s32:
    """Bounds on both sides of 0."""
    total = 0
    for i in range(a, b, 5):
        total += i * i if i < 0 else -i
    return total


def walrus(n: u16) -> u32:
    """A condition that binds."""
    count = 0
    while (n := n // 3) > 2:
        count += n
    return count


def endless(n: u8) -> u32:
    """`while True` ends by its `break`s."""
    i = 0
    while True:
        i += 1
        if i * i > n:
            break
        if i == 12:
            return 99
    return i


def asserted(a: u16, b: u16) -> u16:
    """What was asserted bounds the result; what was not is a fault."""
    assert b, "nothing to divide by"
    assert a // b < 100
    return a // b


def raises(n: u8) -> u8:
    """Exceptions of Python's own and of the user's."""
    if n > 200:
        raise TooLong("too long")
    if n == 7:
        raise ValueError
    for i in range(n):
        if i == 50:
            raise OverflowError("fifty")
    return n


def weekday(n: u8) -> u32:
    """Numbers, alternatives, a capture with a guard, and the rest."""
    match n % 9:
        case 0:
            return 100
        case 1 | 2 | 3:
            return 200
        case day if day & 1:
            return 300 + day
        case 4:
            return 400
        case _:
            return 500


def matched_pair(a: u8, b: s8) -> s32:
    """A tuple against tuples; a capture that a failed guard leaves bound."""
    last = 0
    match a & 3, b:
        case 0, 0:
            return 1
        case 0, last if last > 5:
            return last
        case (1 as one) | (2 as one), other:
            return one * 100 + other
        case 3, (1 | -1):
            return 7
    return last


def matched_none(n: u8) -> u8:
    """None, True and False by identity."""
    nothing = None
    match nothing:
        case True:
            return 9
        case None:
            n += 1
    match n > 5:
        case None:
            return 1
        case True:
            return 2
        case False:
            return 3
    return 4


def find(n: s16) -> s32:
    """A loop whose result is decided by a flag."""
    found = False
    place = -1
    for i in range(64):
        if i * i == n:
            found, place = True, i
    return place if found else -2


EDGES8: list[tuple[int, ...]] = [(0,), (1,), (2,), (5,), (7,), (16,), (100,), (254,), (255,)]


def reversed_bits(x: u32) -> u32:
    """It doubles on each turn, and fits because the turns are counted."""
    result = 0
    for _ in range(32):
        result = result << 1 | x & 1
        x >>= 1
    return result


def hash_of_bytes(a: u64, n: u8) -> u64:
    """Eight turns of a product fit in 64 bits; more would not."""
    h = 7
    for i in range(8):
        if i == n:
            break
        h = h * 31 + (a >> 8 * i & 255)
    return h


def pair_of_sums(a: u8) -> u64:
    """Each is what both were: forty turns of it."""
    x, y = 1, a
    for _ in range(40):
        x, y = y, x + y
    return x - y if x > y else y - x


def grows_in_two_loops(a: u8) -> u64:
    """The inner loop multiplies what the outer one carries on."""
    h = 1
    for i in range(3):
        for j in range(4):
            h = h * 3 + (a >> j & 1)
        h -= i
    return h // 2


def signed_growth(a: s8) -> s64:
    """A product of both signs."""
    x = 1
    for _ in range(9):
        x *= a
    return x // 3


def fnv(a: u32) -> u32:
    """A product that grows past 64 bits on every turn; its low bits are all that counts."""
    h = 0x811C9DC5
    for i in range(4):
        h = (h ^ a >> 8 * i & 0xFF) * 0x01000193
    return h


def low_bits_of_a_power(a: u64, n: u8) -> u64:
    """Past 64 bits and below 0, around a loop in a loop."""
    x = int(a)
    for _ in range(n % 5):
        for _ in range(3):
            x = -x * 0x9E3779B97F4A7C15 - (x & 0xF)
        x = ~x
    return x % 2**61 + (x << 61)


def crc(a: u32) -> u32:
    """CRC-32 of four bytes, inverted by the result alone."""
    c = 0xFFFFFFFF
    for i in range(32):
        c = c >> 1 ^ (0xEDB88320 if (c ^ a >> i) & 1 else 0)
    return ~c


CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (triangle, EDGES8),
    (collatz, [(0,), (1,), (2,), (7,), (27,), (97,), (M32,), (837799,)]),
    (primes, [(0,), (2,), (3,), (30,), (100,)]),
    (factorial, [(0,), (1,), (5,), (20,), (21,), (255,)]),
    (steps_down, [(0,), (2,), (100,), (M64,), (9,)]),
    (last_index, EDGES8),
    (rebinds, EDGES8),
    (evaluated_once, EDGES8),
    (backwards, EDGES8),
    (day_of_year, [(1, 1), (2, 28), (3, 1), (12, 31), (13, 0), (0, 0), (255, 255)]),
    (pairs, [(0,), (1,), (99,), (200,), (65535,)]),
    (zipped, [(0, 0), (1, 2), (255, 255)]),
    (bytes_of, [(0,), (98,), (111,), (112,), (118,), (255,)]),
    (gcd, [(0, 0), (12, 18), (M32, 1), (M32, M32 - 1), (2**31, 48), (0, 5), (5, 0)]),
    (root, [(0,), (1,), (3,), (4,), (65535,), (M32,), (1 << 30,)]),
    (digits, [(0,), (9,), (10,), (M64,), (10**19,), (123456789,)]),
    (three_deep, EDGES8),
    (leaves_early, [(0,), (1,), (7,), (11,), (81,), (82,), (255,)]),
    (modular_range, [(0, 0), (0, 99), (50, 10), (M64, 5), (5, M64), (1, 2)]),
    (signed_range, [(0, 0), (0x80, 0x7F), (0x7F, 0x80), (0xFF, 1), (0xF6, 10)]),
    (walrus, [(0,), (8,), (9,), (27,), (65535,)]),
    (endless, EDGES8),
    (asserted, [(0, 0), (1, 1), (100, 1), (99, 1), (65535, 656), (65535, 655)]),
    (raises, [(0,), (7,), (50,), (51,), (200,), (201,)]),
    (weekday, [(n,) for n in range(10)]),
    (matched_pair, [(0, 0), (0, 5), (0, 6), (1, 3), (2, 0xFF), (3, 1), (3, 0xFF), (3, 2), (7, 1)]),
    (matched_none, [(0,), (5,), (6,), (10,), (11,)]),
    (reversed_bits, [(0,), (1,), (2,), (0x80000000,), (0xDEADBEEF,), (M32,)]),
    (hash_of_bytes, [(0, 8), (M64, 8), (M64, 0), (0x0102030405060708, 255), (M64, 7)]),
    (pair_of_sums, EDGES8),
    (grows_in_two_loops, EDGES8),
    (signed_growth, [(0,), (1,), (0xFF,), (0x80,), (0x7F,), (5,), (0xFB,)]),
    (fnv, [(0,), (1,), (M32,), (0x64636261,)]),
    (low_bits_of_a_power, [(0, 0), (0, 4), (1, 1), (M64, 4), (5, 3), (2**63, 2)]),
    (crc, [(0,), (1,), (M32,), (0x34333231,)]),
    (find, [(0,), (1,), (49,), (50,), (3969,), (0xFFFF,)]),
]
