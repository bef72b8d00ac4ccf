"""Every operator at its edges: signs, widths, wraps, faults, and constants beside variables on either side."""

from __future__ import annotations

from bpfvm import s8, s16, s32, s64, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases
M64 = 2**64 - 1
MIN64 = -(2**63)


@case()
def add_exact(a: u32, b: s32) -> s64:
    """Nothing wraps: 33 bits and a sign."""
    return a + b


@case()
def add_modular(a: u64, b: u64) -> u64:
    """u64 wraps."""
    return a + b


@case()
def add_signed_modular(a: s64, b: s64) -> s64:
    """s64 wraps at its own ends."""
    return a + b - 1


@case()
def subtract(a: u32, b: u32) -> s64:
    """A difference of unsigned numbers is negative where it is."""
    return a - b


@case()
def subtract_from_constant(a: u16) -> s64:
    """A constant on the left."""
    return 1000 - a


@case()
def multiply(a: s32, b: u32) -> s64:
    """63 bits and a sign."""
    return a * b


@case()
def multiply_cut(a: u64, b: u64) -> u64:
    """An exact product of 128 bits, of which only the low ones are wanted."""
    return u32(int(a) * int(b)) + (int(a) * int(b) & 0xFF)


@case((7, 2), (-7, 2), (7, -2), (-7, -2), (MIN64, -1), (MIN64, 1), (0, -5), (5, 0), (-1, 2**62))
def divide_s64(a: s64, b: s64) -> s64:
    """Rounds down."""
    return a // b


@case((7, 2), (-7, 2), (7, -2), (-7, -2), (MIN64, -1), (MIN64, 3), (0, -5), (5, 0), (-1, 2**62))
def modulo_s64(a: s64, b: s64) -> s64:
    """The divisor's sign."""
    return a % b


@case()
def divide_u64(a: u64, b: u64) -> u64:
    """Unsigned."""
    return a // b


@case()
def modulo_u64(a: u64, b: u64) -> u64:
    """Unsigned."""
    return a % b


@case()
def divide_narrow(a: s32, b: s16) -> s64:
    """Exact ints of both signs."""
    return a // b


@case()
def modulo_narrow(a: s32, b: s16) -> s64:
    """Exact ints of both signs."""
    return a % b


@case()
def divide_mixed(a: s64, b: u32) -> s64:
    """A dividend that may be negative by a divisor that is not."""
    return a // (b + 1) * 10 + a % (b + 1)


@case()
def divide_unsigned_by_signed(a: u64, b: s8) -> u64:
    """A u64 refuses a negative divisor: ValueError."""
    return a // b


@case()
def divide_constants(a: s32) -> s64:
    """By constants: powers of two, others, negative ones, one."""
    return a // 8 + a // -8 + a // 10 + a // -7 + a // 1 + a // -1


@case()
def modulo_constants(a: s32) -> s64:
    """By constants."""
    return a % 8 + a % -8 + a % 10 + a % -7 + a % 1


@case()
def constant_divided(a: s16) -> s64:
    """A constant on the left; the divisor may be 0."""
    return 1000 // a + 7 % a


@case()
def divide_at_once(a: s64, b: s32) -> s64:
    """divmod gives both."""
    q, r = divmod(a, b)
    return q * 7 + r


@case()
def powers(a: s16, b: u8) -> s64:
    """Constant exponents, and powers of two with any count."""
    return a**0 + a**1 + a**2 * 3 - 2**10 + pow(b, 3) + (2**b if b < 50 else 0)


@case()
def power_modular(a: u64, b: s64) -> u64:
    """u64 and s64 wrap."""
    return a**3 + u64(b**2)


@case()
def power_high(a: u64) -> u64:
    """The largest exponent."""
    return a**64


@case()
def shift_left(a: u32, n: u8) -> u64:
    """An exact shift, of which the low bits are wanted: 64 and more give 0."""
    return u64(a << n)


@case()
def shift_left_modular(a: u64, n: s8) -> u64:
    """A negative count is a ValueError."""
    return a << n


@case()
def shift_right(a: s64, n: u16) -> s64:
    """Keeps the sign however far it goes."""
    return a >> n


@case()
def shift_right_unsigned(a: u64, n: s16) -> u64:
    """Shifts everything out; a negative count is a ValueError."""
    return a >> n


@case()
def shift_constants(a: s32, b: u64) -> s64:
    """Constant counts, past the width too."""
    return (a << 3) + (a >> 31) + (a >> 64) + (a << 0) + s64(b >> 63) + s64(b << 1) + s64(b >> 64)


@case()
def shifted_constant(n: u8) -> u64:
    """One bit."""
    return u64(1) << n | u64(M64) >> n


@case()
def bitwise(a: u32, b: s32) -> s64:
    """Of a negative number too: Python's ints are endless two's complement."""
    return (a & b) + (a | b) * 2 + (a ^ b) * 3


@case()
def bitwise_modular(a: u64, b: u32) -> u64:
    """Of u64."""
    return (a & b | 0xF0) ^ (a | b)


@case()
def bitwise_bools(a: bool, b: bool) -> u8:
    """Of bools it is a bool."""
    both = a & b
    either = a | b
    return both + either * 2 + (a ^ b) * 4 + (both is True) * 8


@case()
def inverted(a: u32, b: u64, c: s16) -> s64:
    """`~x` is -x - 1; of a u64 it wraps."""
    return ~a + s64(~b) + ~c


@case()
def negated(a: s32, b: u64, c: s64) -> s64:
    """`-x`; of a u64 it wraps, and of s64's least value."""
    return -a + s64(-b) - +c + -c


@case()
def absolute(a: s32, b: s64, c: u64) -> s64:
    """abs; of s64's least value it is that value."""
    return abs(a) + abs(b) // 3 + s64(abs(c)) // 5


@case()
def compare_signs(a: s64, b: u64) -> u8:
    """Values, not bits."""
    return (a < b) + (a <= b) * 2 + (a == b) * 4 + (a != b) * 8 + (a > b) * 16 + (a >= b) * 32


@case()
def compare_narrow(a: s8, b: u8) -> u8:
    """Of two widths of sign."""
    return (a < b) + (a <= b) * 2 + (a == b) * 4 + (a != b) * 8 + (a > b) * 16 + (a >= b) * 32


@case()
def compare_constants(a: s32) -> u8:
    """Beside constants, on either side."""
    return (a < 100) + (a >= -1) * 2 + (a == 0) * 4 + (a != 2**31 - 1) * 8 + (a > -(2**31)) * 16


@case()
def compare_chained(a: s16, b: u16, c: s32) -> u8:
    """Up to the first that fails; the middle is evaluated once."""
    n = 0
    low = 0 <= a < b <= c
    high = a < (n := n + b) < 1000
    return low + high * 2 + (a == b == c) * 4 + (n & 7) * 8


@case()
def compare_mixed_classes(a: u64, b: s32, c: bool) -> u8:
    """A u64 beside an exact int and a bool."""
    return (a > b) + (a == c) * 2 + (c <= b) * 4


@case()
def truths(a: s64, b: u8, c: bool) -> u8:
    """`not`, `and` and `or` give what decided."""
    return (not a) + bool(b) * 2 + ((c and b) or 7) % 16 * 4


@case()
def negated_tests(a: s32, b: s32) -> u8:
    """`not` of comparisons and of their chains."""
    return (not (a <= b)) + (not a >= b) * 2 + (not a + 1 > b) * 4 + (not 0 < a < b) * 8 + (not (a and not b)) * 16


@case()
def operands_of_or(a: u32, b: u32, c: u32) -> u64:
    """The operand itself."""
    return (a or b or c) + (a and b and c) * 2 + ((a and b) or c)


@case()
def conditional(a: s32, b: u32) -> s64:
    """Nested conditional expressions."""
    return a if a > 0 else b if b > 10 else -1 if a else 0


@case()
def casts_narrow(a: s64) -> s64:
    """Every narrow cast."""
    return u8(a) + u16(a) * 2 + u32(a) * 3 + s8(a) * 5 + s16(a) * 7 + s32(a) * 11


@case()
def casts_wide(a: s64, b: u64) -> u64:
    """Between u64, s64, int and bool."""
    return u64(a) + u64(s64(b)) + u64(int(b)) + bool(a) + int(True)


@case()
def casts_of_expressions(a: u32, b: u32) -> u64:
    """Of what is known modulo 2**64 alone."""
    return u64(a * b * a) + u8(a * b * b * 3 - a)


@case()
def extremes(a: s32, b: u32, c: s16) -> s64:
    """min and max of several."""
    return min(a, b) + max(a, b, c) * 2 + min(c, 7, a) - max(0, c)


@case()
def extremes_of_classes(a: u64, b: u32) -> u64:
    """A u64 beside an int: the operand's own class."""
    return u64(min(a, b)) + u64(max(a, b)) // 2


@case((3, 2), (15, 255), (0, 0))
def extremes_of_the_second(a: u64, b: u8) -> u64:
    """The second is the larger one always, an int whose difference does not wrap."""
    return u64(1) if max(a & 15, b | 16) - 300 < 0 else u64(2)


@case()
def halves_and_wholes(a: u64, b: u64) -> u64:
    """What is read as 32 bits and as 40, and a shift of which the low half is nothing."""
    x = a * b
    return (x & 0xFFFF_FFFF) + (x & 0xFF_FFFF_FFFF) + u32(a << 33)


@case()
def differences_both_ways(a: u32, b: u32) -> s64:
    """a - b is not b - a."""
    return (a - b) * 3 - (b - a) * 5


@case()
def rounded(a: s32, b: u64) -> s64:
    """round() of an integer is the integer."""
    return round(a) + s64(round(b))


@case()
def assigned_in_place(a: s32, b: u16) -> s64:
    """Every operator with `=`."""
    x, y = a, b + 1
    x += y
    x -= 3
    x *= 2
    x //= y
    x %= 100
    x <<= 3
    x >>= 1
    x |= 1
    x &= 0xFFF
    x ^= 5
    x **= 2
    return x
