"""Functions that call others: plain ones, lambdas, methods, closures, partials."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from bpfvm import bpf, s32, s64, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1


def clamped(x: int, lo: int = 0, hi: int = 100) -> int:
    """Three ways out."""
    if x < lo:
        return lo
    if x > hi:
        return hi
    return x


def divided(a: int, b: int) -> int:
    """A fault at a line of the function that is called."""
    return a // b


def checked(x: int, most: int) -> int:
    """A fault of its own."""
    if x > most:
        raise OverflowError("too much")
    assert x != 7, "not seven"
    return x


def summed(n: int) -> int:
    """A loop, and a way out of its middle."""
    total = 0
    for i in range(n):
        if i == 40:
            return total
        total += i
    return total


def minmax(a: int, b: int) -> tuple[int, int]:
    """Two results."""
    if a > b:
        a, b = b, a
    return a, b


def nothing(x: int) -> None:
    """No result."""
    x += 1


def maybe(x: int) -> int | None:
    """A result on one way only."""
    if x > 5:
        return x
    return None


def default_of(x: int, step: int = M32, *, times: int = 2) -> int:
    """Defaults, and a parameter that is only given by name."""
    return x + step * times


def never(x: int) -> int:
    """It has no way out."""
    if x > 100:
        raise ValueError("large")
    raise KeyError("small")


def turned(x: int) -> int:
    """A loop without a bound of its own: each call counts anew."""
    steps = u64(0)
    while x != 0:
        x = x & (x - 1)
        steps += 1
    return steps


def doubled(function: Callable[[int], int]) -> Callable[[int], int]:
    """A decorator: what it gives is called in the place of `function`."""

    def twice(x: int) -> int:
        return function(function(x))

    return twice


@doubled
def next_even(x: int) -> int:
    """Called twice by its decorator."""
    return (x + 2) & 0xFFFE


@bpf.function
def program(a: u32, b: u32) -> u64:
    """A program, called as a function."""
    return a * b


class Scale:
    """An object that is captured, with a method."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def of(self, x: int) -> int:
        """A method that reads its object."""
        return x * self.factor

    @staticmethod
    def half(x: int) -> int:
        """No object at all."""
        return x // 2

    @classmethod
    def third(cls, x: int) -> int:
        """The class, which it does not ask."""
        return x // 3


class Limits:
    """Methods that are programs themselves."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def inside(self, a: u32) -> bool:
        """A method as a program."""
        return self.low <= a < self.high

    def rest(self, a: u32, b: u32) -> u64:
        """A method that calls one."""
        return u64(a if self.inside(b) else b)


def traced(function: Callable[..., int]) -> Callable[..., int]:
    """A decorator as most are: it passes on what it gets."""

    @functools.wraps(function)
    def wrapper(*args: int) -> int:
        return function(*args) + len_of(*args)

    return wrapper


def len_of(*args: int) -> int:
    """How many arguments."""
    count = 0
    for _ in args:
        count += 1
    return count


@traced
def area(a: int, b: int) -> int:
    """Called by its decorator."""
    return a * b


def with_bounds(a: u32, low: u32, high: u32) -> u32:
    """A function that partials make programs of."""
    return min(max(a, low), high)


def adder(offset: int) -> Callable[[int], int]:
    """A closure with a value of its own."""
    return lambda x: x + offset


scale, plus_one, plus_max = Scale(3), adder(1), adder(M32)
square: Callable[[int], int] = lambda x: x * x  # noqa: E731
up_to_7 = functools.partial(clamped, hi=7)
from_9 = functools.partial(functools.partial(clamped, lo=9), hi=20)


def calls_clamped(a: u32) -> u32:
    """Defaults, by place, by name."""
    return clamped(a) + clamped(a, 10) + clamped(a, hi=5) + clamped(hi=1000, x=a, lo=500)


def calls_partial(a: s32) -> s64:
    """Arguments that a partial brings, and one that replaces them."""
    return up_to_7(a) + from_9(a) + up_to_7(a, hi=50) * 1000 + up_to_7(a, -3)


def calls_divided(a: s32, b: s32) -> s64:
    """ZeroDivisionError inside of the function."""
    return divided(a, b) + divided(b, 3)


def calls_checked(a: u32, b: u16) -> u64:
    """Exceptions of the function's own."""
    return checked(a, 1000) + checked(b, 50)


def calls_in_loop(n: u8) -> u64:
    """A call in a loop, of a function with a loop."""
    total = u64(0)
    for i in range(n % 16):
        total += summed(i * 4)
    return total


def calls_pairs(a: u32, b: u32, c: u32) -> u64:
    """Tuples come back."""
    a, b = minmax(a, b)
    b, c = minmax(b, c)
    a, b = minmax(a, b)
    return u64(a) + u64(b) * 3 + u64(c) * 5


def calls_nothing(a: u32) -> u32:
    """Results that nobody reads."""
    nothing(a)
    maybe(a)
    nothing(x=summed(a & 7))
    return a


def calls_defaults(a: u32) -> u64:
    """A parameter by name only."""
    return default_of(a) + default_of(a, 1) + default_of(a, times=0) + default_of(times=5, x=a, step=a & 3)


def calls_never(a: u32) -> u32:
    """What follows a call that never returns is not reached."""
    b = a
    if a > 50:
        b = never(a) + 1
    return b


def calls_never_in_part(a: u32) -> u32:
    """One operand never returns."""
    return (a < 3 and a + 1) or never(a)


def calls_turned(n: u8) -> u64:
    """Its loop counts from nothing on each call."""
    total = u64(0)
    for i in range(n):
        total += turned(u32(i * 77))
    return total


def calls_decorated(a: u16) -> u32:
    """A decorated function runs its decorator's."""
    return next_even(a)


def calls_program(a: u32, b: u32) -> u64:
    """A program is the function that it is made of."""
    return u64(program(a, b) ^ program(b, 3))


def calls_methods(a: u32) -> u64:
    """Methods of a captured object, of a class."""
    return scale.of(a) + Scale.half(a) + scale.third(a) + scale.factor


def calls_closures(a: u32) -> u64:
    """Closures of one text with values of their own."""
    return plus_one(a) ^ plus_max(a) ^ plus_one(plus_one(a))


def calls_lambda(a: s32) -> s64:
    """A lambda, called with what it gave."""
    return square(square(a & 0x7FF)) - square(a)


def calls_walrus(a: u32) -> u64:
    """Names of caller and called are their own."""
    x = a
    lo = (hi := clamped(x, 3, 300)) + 1
    return x + lo * 3 + hi * 7


def calls_modular(a: u64, b: s64) -> u64:
    """Classes go through: what is u64 stays u64."""
    return square(a) + u64(square(b)) + clamped(a, u64(10), u64(M64 - 1))


def calls_condition(a: u32) -> u32:
    """A call decides, and what it has tested is known."""
    if maybe_small(a):
        return 1
    return u32(a) if not maybe_small(a >> 16) else 2


def calls_traced(a: u16, b: u16) -> u64:
    """`*args` in and out."""
    sides = a, b
    return area(a, b) + area(*sides) + area(3, *(b,))


def maybe_small(x: int) -> bool:
    """A bool."""
    return 3 < x <= 300


EDGES: list[tuple[int, ...]] = [(0,), (1,), (5,), (7,), (10,), (100,), (101,), (499,), (1001,), (65535,), (M32,)]
PAIRS: list[tuple[int, ...]] = [(0, 0), (7, 1), (1, 7), (5, 50), (5, 51), (1001, 0), (M32, 3), (M32, M32), (2**31, 2)]
CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (calls_clamped, EDGES),
    (calls_partial, EDGES),
    (calls_divided, PAIRS),
    (calls_checked, PAIRS),
    (calls_in_loop, [(0,), (1,), (11,), (15,), (255,)]),
    (calls_pairs, [(1, 2, 3), (3, 2, 1), (2, 3, 1), (M32, 0, M32), (0, 0, 0)]),
    (calls_nothing, EDGES),
    (calls_defaults, EDGES),
    (calls_never, EDGES),
    (calls_never_in_part, EDGES),
    (calls_turned, [(0,), (1,), (9,), (40,)]),
    (calls_decorated, EDGES),
    (calls_program, PAIRS),
    (calls_methods, EDGES),
    (calls_closures, EDGES),
    (calls_lambda, EDGES),
    (calls_walrus, EDGES),
    (calls_modular, [(0, 0), (1, M64), (M64, 1 << 63), (1 << 32, 3), (12345, 2**62)]),
    (calls_condition, EDGES),
    (calls_traced, PAIRS),
    (Limits(3, 500).inside, EDGES),
    (Limits(10, 11).rest, PAIRS),
    (functools.partial(with_bounds, 7), PAIRS),
    (functools.partial(with_bounds, high=100), PAIRS),
    (functools.partial(functools.partial(with_bounds, low=5), high=100), EDGES),
]
