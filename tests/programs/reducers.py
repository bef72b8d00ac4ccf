"""`sum`, `any`, `all`, `min` and `max` of tuples, ranges and generators."""

from __future__ import annotations

from bpfvm import s16, s32, s64, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases
WEIGHTS = (3, 1, 4, 1, 5, 9, 2, 6)
PRIMES = [2, 3, 5, 7, 11, 13]


@case()
def sum_of_tuple(a: u32, b: s32, c: u8) -> s64:
    """A tuple's items one after the other."""
    return sum((a, b, c, 7))


@case()
def sum_of_constants(a: u32) -> u64:
    """Known before the program runs, a captured tuple and a list that is written in place."""
    return sum(WEIGHTS) * 100 + sum([1, a, 3]) + sum(())


@case()
def sum_from_start(a: u32, b: u32) -> u64:
    """A start by place and by name."""
    return sum((a, 2), 10) + sum((b, 3), start=a)


@case()
def sum_of_generator(n: u8, k: u16) -> u64:
    """An expression of each number."""
    return sum(i * k + 1 for i in range(n))


@case()
def sum_with_tests(n: u8) -> u64:
    """Tests skip numbers."""
    return sum(i for i in range(n) if i % 3 if i % 5 != 1)


@case()
def sum_of_range(a: u8, b: s16) -> s64:
    """A range itself, up and down, and an empty one."""
    return sum(range(a)) + sum(range(b, a, 7)) + sum(range(a, 3, -2)) + sum(range(5, 5))


@case((3, 4), (0, 9), (15, 15), (1, 0))
def sum_of_products(a: u8, b: u8) -> u64:
    """A loop inside a loop, whose bound is the outer one's number."""
    return sum(x * y for x in range(a % 16) for y in range(x, b % 16))


@case()
def sum_of_pairs(a: u32, b: u32) -> u64:
    """A target of two names."""
    return sum(x * 2 + y for x, y in ((a, 1), (b, 2), (3, 4)))


@case()
def sum_modular(a: u64, n: u8) -> u64:
    """u64 items wrap; a start of u64 makes the empty sum a u64 too."""
    return sum((a * i for i in range(n)), u64(0))


@case()
def sum_of_truths(a: u32) -> u8:
    """A bool counts as 0 or 1."""
    return sum(a & 1 << i != 0 for i in range(32))


@case()
def sum_hides_names(n: u8) -> u64:
    """A generator's own names are not the function's."""
    i = 1000
    total = sum(i for i in range(n))
    return total * 2 + i


@case()
def sum_binds_outside(n: u8) -> u64:
    """`:=` inside of a generator binds a name of the function."""
    last = 7
    total = sum((last := i) * 3 for i in range(n))
    return total * 1000 + last


@case()
def sum_that_faults(n: u8) -> u64:
    """An exception in a generator ends the program at the generator's line."""
    return sum(
        100 // (i - 4)  # here
        for i in range(n)
        if i > 2
    )  # fmt: skip


@case()
def sum_of_list(n: u8) -> u32:
    """A list comprehension alone in a reducer is as good as a generator."""
    return sum([i * i for i in range(n % 32)])


@case()
def sum_enumerated(a: u32, b: u32, c: u32) -> u64:
    """Over enumerate, zip and reversed."""
    both = sum(i * x for i, x in enumerate((a, b, c), 1)) + sum(x * y for x, y in zip((a, b), WEIGHTS, strict=False))
    return both + sum(x * i for i, x in enumerate(reversed((a, b, c))))


@case()
def any_of_generator(n: u8, k: u16) -> bool:
    """The first that is true ends it."""
    return any(i * i == k for i in range(n))


@case()
def all_of_generator(n: u8, k: u8) -> bool:
    """The first that is false ends it; all of nothing is true."""
    return all(i != k for i in range(n))


@case()
def any_of_items(a: u32, b: s32) -> u8:
    """Of tuples, with items of several classes."""
    return any((a, b)) + any((0, a > 5, None)) * 2 + any(()) * 4 + all((a, b)) * 8 + all(()) * 16


@case()
def any_stops(n: u8, k: u8) -> u64:
    """What comes behind the first true item is not evaluated."""
    last = 0
    found = any(100 // (k - (last := i)) > 50 for i in range(n))
    return last * 2 + found


@case((0, 0), (3, 4), (12, 12), (15, 3), (200, 77))
def any_nested(a: u8, b: u8) -> bool:
    """An inner loop that decides ends the outer one."""
    return any(x * y == 35 for x in range(a) if x & 1 for y in range(b))


@case()
def all_nested(a: u8) -> u16:
    """Primes: a reducer inside a reducer."""
    return sum(1 for n in range(2, a) if all(n % d for d in range(2, n) if d * d <= n))


@case()
def any_decides(a: u16, b: u16) -> u32:
    """In a condition, negated, and joined by `and`."""
    if any(x == a for x in PRIMES_OF) and not all(x < b for x in PRIMES_OF):
        return 1
    return 2 if not any(x > a for x in PRIMES_OF) else 3


PRIMES_OF = (2, 3, 5, 7, 11, 13)


@case()
def min_of_generator(n: u8, k: u8) -> s64:
    """A ValueError where there is nothing to choose from."""
    return min((i - k) * (i - 3) for i in range(n))


@case()
def max_of_generator(n: u8, k: s16) -> s64:
    """A default in place of nothing."""
    return max((i * k for i in range(n) if i & 1), default=-7)


@case()
def extremes_of_items(a: s32, b: u32, c: u16) -> s64:
    """Of a tuple, of a list in place, of arguments behind `*`."""
    pair = (a, b)
    return min(pair) + max([a, b, c]) + min(*pair, c) + max((a,)) + min((b, c), default=1)


@case()
def extremes_of_range(a: u8, b: u8) -> s64:
    """Of a range, which may be empty."""
    return max(range(a, b)) * 1000 + min(range(a, b, 3))


@case()
def extremes_keep_class(a: u64, b: u64) -> u64:
    """What is chosen keeps its class."""
    return max(x for x in (a, b)) + min(x for x in (a, b)) * 2 - max(a, b)


@case()
def max_of_modular(a: s64, n: u8) -> s64:
    """Items of s64, negative ones too."""
    return max(a ^ s64(i) for i in range(n))


@case(0, 1, 50, 100, 255)
def reducer_in_while(a: u8) -> u32:
    """A condition of a `while`, and what its turns find."""
    n = 0
    while not all(n % d for d in (2, 3, a | 1)):
        n += 1
        if n > 50:
            break
    return n
