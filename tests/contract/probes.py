"""One feature of the language each: 33 programs that users of other Python compilers for BPF ask for first.

FEATURES: the function, its inputs, and what CPython says of them. REFUSED: the text of a function that must not
compile, and the code that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm import Counter, Hash, bpf, char, pid, s64, struct, u8, u32, u64

LIMIT = 40
counts = Counter(u32)
seen = Hash(u32, u64, 16)


@struct
class Pair:
    """Two numbers."""

    a: u32
    b: u64


@dataclass(frozen=True, slots=True)
class Probe:
    """One feature. given: arguments; wanted: the result. trace: lines printed."""

    function: Callable[..., Any]
    given: tuple[int, ...]
    wanted: int
    trace: tuple[str, ...] = ()


def early_return_if(a: u32) -> u64:
    """A return in a branch."""
    if a > 5:
        return 1
    return 2


def for_range(a: u32) -> u64:
    """A loop of constant length."""
    total = 0
    for i in range(10):
        total += i
    return total + a


def for_range_dynamic(a: u32) -> u64:
    """A loop whose length is known at run time, left early."""
    total = 0
    for i in range(a):
        if i == 7:
            break
        total += i
    return total


def for_else_continue(a: u8) -> u64:
    """continue, and the else of a loop."""
    n = 0
    for i in range(6):
        if i % 2:
            continue
        n += i
    else:
        n += 100
    return n + a


def while_loop(a: u32) -> u64:
    """Halved until nothing is left."""
    n = 0
    while a:
        a //= 2
        n += 1
    return n


def doubled(x: int) -> int:
    """A plain function."""
    return x * 2


def helper_function(a: u32) -> u64:
    """A function in place of its call."""
    return doubled(a) + doubled(1)


@bpf.func
def added(a: u32, b: u32) -> u64:
    """A subprogram."""
    return u64(a + b)


def subprogram(a: u32) -> u64:
    """A call of a subprogram."""
    return added(a, 3)


def struct_fields(a: u32) -> u64:
    """Fields are stored and read."""
    p = Pair()
    p.a = a
    p.b = p.a + u64(1)
    return p.b


def struct_keywords(a: u32) -> u64:
    """Arguments by name reach their fields."""
    p = Pair(a=1, b=u64(a))
    return p.b


def text_compared(a: u8) -> u64:
    """A char array and a text."""
    name = char[8](98, 97, 115, a)
    return 1 if name == "bash" else 0


def state_changed(a: u32) -> u64:
    """What outlives a run."""
    counts[7] += a
    return counts[7]


def module_constant(a: u32) -> u64:
    """A number of the module."""
    return LIMIT + a


def conditional(a: u32) -> u64:
    """Python's ternary operator."""
    return 10 if a == 3 else 20


def walrus(a: u32) -> u64:
    """A name bound in a condition."""
    if (half := a // 2) > 4:
        return half
    return 0


def contained(a: u32) -> u64:
    """`in` with constants."""
    return 1 if a in (1, 4, 9) else 0


def chained(a: u32) -> u64:
    """A chain of comparisons."""
    return 1 if 3 < a <= 9 else 0


def least_and_most(a: u32) -> u64:
    """min and max."""
    return min(a, 10) + max(a, 5)


def inverted(a: u32) -> s64:
    """`~` of an int is below 0."""
    return s64(~a)


def tuple_assigned(a: u32) -> u64:
    """Two names change places."""
    x, y = a, 1
    x, y = y, x
    return y * 10 + x


def matched(a: u32) -> u64:
    """match with values and a default."""
    match a:
        case 1 | 2:
            return 12
        case 6:
            return 66
        case _:
            return 0


def asserted(a: u32) -> u64:
    """assert says what a number is."""
    assert 0 < a < 100
    return 1000 // a


def map_updated(a: u32) -> u64:
    """`+=` on an element."""
    counts[a] += 1
    counts[a] += 1
    return counts[a]


def map_stored(a: u32) -> u64:
    """An element is stored, and is there."""
    seen[a] = u64(a) + 1
    return seen[a] + (a in seen)


def map_missing(a: u32) -> u64:
    """None where there is no element."""
    found = seen.get(a)
    return 5 if found is None else found


def floor_divided(a: u32) -> s64:
    """Rounds down below 0, too."""
    return s64(-7 - a) // 2


def operators(a: u32) -> u64:
    """All that there are on numbers."""
    return (a << 3 ^ a >> 1 | 5 & a) + (a % 3) + -(0 - a)


def boolean_operators(a: u32) -> u64:
    """and, or, not give operands and truth values."""
    return (a and 3) + (0 if not a else 1) + (a > 9 or a < 3)


def captured(size: int) -> Callable[[u32], u64]:
    """A function that closes over a number."""

    def closure(a: u32) -> u64:
        return a * size

    return closure


def called_in_print(a: u32) -> u64:
    """A call in an f-string."""
    print(f"pid {pid() * 0 + a}, twice {doubled(a)}")
    return 1


def printed_four(a: u32) -> u64:
    """More values than the kernel's first way of printing takes."""
    print(a, a + 1, a + 2, a + 3)
    return 4


def anonymous() -> Callable[[u32], u64]:
    """A lambda, in place of a function of its own."""
    space = bpf.exec("anonymous = lambda a: a + 1\n")
    function: Callable[[u32], u64] = space["anonymous"]
    function.__annotations__.update({"a": u32, "return": u64})
    return function


FEATURES: tuple[Probe, ...] = (
    Probe(early_return_if, (9,), 1),
    Probe(for_range, (5,), 50),
    Probe(for_range_dynamic, (5,), 10),
    Probe(for_else_continue, (1,), 107),
    Probe(while_loop, (9,), 4),
    Probe(helper_function, (4,), 10),
    Probe(subprogram, (4,), 7),
    Probe(struct_fields, (4,), 5),
    Probe(struct_keywords, (4,), 4),
    Probe(text_compared, (104,), 1),
    Probe(state_changed, (4,), 4),
    Probe(module_constant, (2,), 42),
    Probe(captured(6), (7,), 42),
    Probe(conditional, (3,), 10),
    Probe(walrus, (12,), 6),
    Probe(contained, (4,), 1),
    Probe(chained, (9,), 1),
    Probe(least_and_most, (12,), 22),
    Probe(inverted, (0,), -1),
    Probe(tuple_assigned, (4,), 41),
    Probe(matched, (6,), 66),
    Probe(anonymous(), (6,), 7),
    Probe(asserted, (7,), 142),
    Probe(map_updated, (3,), 2),
    Probe(map_stored, (3,), 5),
    Probe(map_missing, (3,), 5),
    Probe(floor_divided, (0,), -4),
    Probe(operators, (6,), 61),
    Probe(boolean_operators, (6,), 4),
    Probe(called_in_print, (6,), 1, ("pid 6, twice 12",)),
    Probe(printed_four, (6,), 4, ("6 7 8 9",)),
)

# What no program can have: refused at the line, with what to write instead.
REFUSED: Mapping[str, tuple[str, str]] = {
    "true division": ("def f(a: u32) -> u64:\n    return a / 3\n", "E042"),
    "a name that is nowhere": ("def f(a: u32) -> u64:\n    return undefined + a\n", "E010"),
}
