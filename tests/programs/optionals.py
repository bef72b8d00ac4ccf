"""Numbers that may be None, tuples that branches left with other items, and what tests say of both."""

from __future__ import annotations

from typing import Any

from bpfvm import Hash, s32, s64, u8, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases

counts = Hash(u32, u64, 16, name="counts")


def share(a: int, b: int) -> int | None:
    """None in place of a fault."""
    return a // b if b else None


def find(n: int, square: int) -> int | None:
    """A result in a loop, None behind it."""
    for i in range(n):
        if i * i == square:
            return i
    return None


def halves(a: int) -> tuple[int, int | None]:
    """A tuple with an item that may be None."""
    if a > 9:
        return a, a // 2
    return 0, None


@case()
def optional_result(a: u32, b: u8) -> u32:
    """`is None` tells both ways apart."""
    found = share(a, b)
    if found is None:
        return 7
    return found


@case()
def optional_expression(a: u8) -> u32:
    """In a conditional expression."""
    y = None
    if a > 5:
        y = a
    return 3 if y is None else y + 1


@case()
def optional_walrus(a: u8, b: u8) -> u32:
    """A result that is bound and tested at once."""
    if (i := find(a, b)) is not None:
        return i + 10
    return 3


@case()
def optional_best(a: u8, b: u8) -> u32:
    """The usual search: none before the first turn."""
    best = None
    for i in range(a):
        if best is None or i % 7 > best:
            best = i % (b + 1)
    return 1000 if best is None else best


@case()
def optional_forgets(a: u8, b: u8) -> u32:
    """A loop that takes the number away again."""
    best, i = None, 0
    while i < a:
        i += 1
        if best is not None and best > b:
            best = None
        elif i % 3 == 0:
            best = i
    return 999 if best is None else best + 1


@case()
def optional_in_loop(a: s64, n: u8) -> s64:
    """A number of the last turn, or none."""
    last, total = None, a
    for i in range(n):
        if last is not None:
            total += last
        last = i * 3 if i % 5 else None
    return total


@case()
def optional_modular(n: u8) -> u64:
    """A u64 that grows around a loop."""
    last = None
    for _ in range(n):
        last = (u64(1) if last is None else last) * 3
    return 0 if last is None else last


@case()
def optional_compared(a: u32, b: u8) -> u32:
    """None equals no number; isinstance tells as `is` does."""
    y = a if b & 1 else None
    total = (y == 5) + (y != 7) * 2
    if isinstance(y, int):
        total += y & 0xFF
    return total + (y is None) * 1000


@case()
def optional_matched(a: u64, b: u8) -> u64:
    """A pattern of None, one of a number, and a capture of what is left."""
    match a if b & 1 else None:
        case None:
            return 1
        case 7:
            return 2
        case x:
            return x


@case()
def optional_replaced(a: u8, b: u8) -> u64:
    """Behind the join it is a number on all ways."""
    y = a if b & 1 else None
    if y is None or y > 100:
        y = b
    return y


@case()
def optional_truth(b: u8) -> u32:
    """A bool or None has three outcomes."""
    y = b > 5 if b & 1 else None
    if y is True:
        return 1
    return 2 if y is None else 3


@case()
def optional_item(a: u32) -> u32:
    """An item of a tuple that a function returned."""
    whole, half = halves(a)
    if half is None:
        return whole
    return whole - half


@case()
def optional_pass(a: u8, b: u8) -> u32:
    """It goes through calls, and is tested there."""
    return other(share(a, b), 5) + other(None, 6) + other(a, 7)


def other(x: int | None, default: int) -> int:
    """A number in any case."""
    return default if x is None else x


@case()
def joined_tuples(a: u32, b: u32) -> u64:
    """Tuples of one length meet item by item."""
    pair = (a, 2) if a > b else (3, b)
    x, y = pair
    return x * 3 + y + pair[0] - pair[-1] // 2


@case()
def joined_nested(a: u8, b: u8) -> u64:
    """Tuples in tuples, on three ways."""
    if a > b:
        t = (a, (b, 1))
    elif a == b:
        t = (0, (a, 2))
    else:
        t = (b, (a, 3))
    first, (second, third) = t
    return first + second * 1000 + third


@case()
def tuple_results(a: u32, b: u32) -> u64:
    """Two returns of one function, each with a tuple."""
    low, high = ordered(a, b)
    return high - low + low // 3


def ordered(a: int, b: int) -> tuple[int, int]:
    """The smaller one first."""
    if a > b:
        return b, a
    return a, b


@case()
def class_by_path(a: u64, b: s32) -> u64:
    """A u64 on one path, an int on the other: both have the same low bits."""
    lesser = min(a, b)
    return lesser * 3 - 1 ^ ~lesser


@case()
def class_by_path_cut(a: u64, b: u32) -> u32:
    """What is cut needs no more than low bits; behind the mask it is exact."""
    x = a if a & 1 else b
    x = (~x << 3) - 7
    return x % 256 + (x & 0xFFFF) * 2 + u8(x - 1)


@case((5, 1), (2**64 - 1, 0), (0, 2**32 - 1), (2**63, 3))
def class_by_path_stored(a: u64, k: u32) -> u64:
    """A counter that begins with a plain number."""
    counts[k] = counts.get(k, a & 0) + 1
    counts[k] = -counts.get(k + 1 & 0xFF, 5) - a
    return u64(counts[k])


@case()
def tuple_around_a_loop(n: u8, a: u32) -> u64:
    """Items that change on each turn, each as a name would."""
    pair = (u64(0), u64(1))
    for _ in range(n):
        pair = (pair[1], pair[0] + pair[1])
    low, high = pair
    return low ^ high << 1 ^ a


@case()
def tuple_in_turns(n: u8, a: u8) -> u32:
    """A tuple in a tuple, an item that is None at first, one that counts, `break` and `continue`."""
    state: Any = (0, (None, a), "seven")
    for i in range(n & 15):
        count, (last, left), word = state
        if i % 3 == 2:
            state = (count + 1, (last, left), "seven")
            continue
        if count > 3:
            break
        last = i if last is None else last ^ i
        state = (count, (last, left // 2), word)
    count, (last, left), word = state
    return int(count + (0 if last is None else last) * 3 + left * 1000 + len(word))


@case()
def tuple_while(a: u32, b: u32) -> u32:
    """Euclid's way, in one name."""
    pair = a, b
    while pair[1]:
        pair = pair[1], pair[0] % pair[1]
    return pair[0]


@case()
def tuple_loops(n: u8, m: u8) -> u32:
    """Two loops, one inside of the other, and behind them."""
    best = (0, 0)
    for i in range(n % 4):
        for j in range(m % 4):
            if i * j > best[0]:
                best = (i * j, i)
        best = (best[0] + 1, best[1])
    for _ in range(3):
        best = best[1], best[0]
    return best[0] * 1000 + best[1]
