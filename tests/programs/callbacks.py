"""Functions that helpers call, with the names around them; functions inside of functions, called in their place."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, Hash, bpf, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class State:
    total: u64 = 0
    turns: u32 = 0


@struct
class Key:
    a: u16
    b: u8


numbers = Hash(u32, u64, 64, name="called_numbers")
states = Hash(Key, State, 64, name="called_states")
cells = Array(u64, 4, name="called_cells")


def summed(index: int, state: Any) -> int:
    """A function of a module, with its context."""
    state.total += index
    state.turns += 1
    return state.total > 100


@case((0,), (1,), (5,), (100,), (255,))
def call_with_context(n: u8) -> u64:
    """What the helper gives is how many turns there were."""
    state = State()
    turns = bpf.helper.loop(n, summed, state, 0)
    return turns * 1000 + state.total * 2 + state.turns


@case((0, 3), (7, 3), (200, 9), (200, 250))
def call_with_names(n: u8, stop: u8) -> u64:
    """A function inside of this one, with its names: read, and bound by `nonlocal`."""
    total = u64(0)
    last = 0

    def body(index: int) -> int:
        nonlocal total, last
        twice = index * 2
        total += twice + stop
        last = twice
        return index == stop

    done = bpf.helper.loop(n, body)
    return total + last * 1_000_000 + done * 1000


@case((0,), (3,), (20,), (255,))
def call_without_result(n: u8) -> u64:
    """A function that returns nothing goes on; one that ends by a fault ends the program."""
    seen = 0

    def body(index: int) -> None:
        nonlocal seen
        assert index < 100, "a hundred"
        if index & 1:
            return
        seen += 1

    bpf.helper.loop(n, body)
    return seen


@case((0,), (3,), (20,))
def call_a_lambda(n: u8) -> u64:
    """A lambda, which reads a name around it."""
    limit = n // 2
    return bpf.helper.loop(100, lambda index: index >= limit) + bpf.helper.loop(n, lambda index: 0)


@case((1 << 22,), (0,), (1,))
def call_often(n: u32) -> u64:
    """More turns than a verifier walks."""
    state = 1

    def body(index: int) -> int:
        nonlocal state
        state = (state * 5 + index) & 0xFFFF
        return state == 0xFFF0 and index > 20_000

    return bpf.helper.loop(n & 0xFFFF, body) + state


@case((0, 3), (7, 9))
def call_inside(n: u8, m: u8) -> u64:
    """One in another, and in a loop."""
    total = 0

    def outer(index: int) -> int:
        def inner(other: int) -> int:
            nonlocal total
            total += other * index & 0xF
            return total > 500

        bpf.helper.loop(m, inner)
        return total > 400

    for i in range(3):
        bpf.helper.loop(n + i, outer)
    return total


@case((1, 5), (2, 9), (40, 1), (3, 0))
def call_for_each(k: u32, n: u8) -> u64:
    """Elements of a map: a key, and what stands there as an array of one number."""
    numbers[k] = n
    total = u64(0)

    def add(owner: Any, key: int, value: Any) -> int:
        nonlocal total
        total += value[0] + key
        value[0] += 1
        return 0

    seen = bpf.helper.for_each_map_elem(numbers, add)
    return total * 100 + seen


def touched(owner: Any, key: Any, value: Any, ctx: Any) -> int:
    value.turns += ctx.turns
    ctx.total += value.total + key.a + key.b
    if key.b == 9:
        del owner[key]
    return 0


@case((1, 5), (2, 9), (3, 1))
def call_for_structs(a: u16, b: u8) -> u64:
    """Keys and values that are structs, and a map that is changed."""
    states[Key(a=a, b=b)] = State(total=a)
    state = State(turns=3)
    bpf.helper.for_each_map_elem(states, touched, state)
    return state.total * 10 + bpf.helper.for_each_map_elem(states, touched, state)


@case((0,), (2,), (3,))
def call_for_array(n: u8) -> u64:
    """Arrays too: indexes in their order."""
    cells[n & 3] = n
    found = 9
    weight = u64(0)

    def look(owner: Any, key: int, value: Any) -> int:
        nonlocal found, weight
        weight = weight * 3 + value[0] + key
        if value[0] == 3:
            found = key
        return found != 9

    return bpf.helper.for_each_map_elem(cells, look) * 1000 + found * 100 + weight


@case((5, 3), (0, 0), (200, 255))
def call_in_place(a: u8, b: u8) -> u64:
    """Functions inside of functions, called as any other."""
    calls = 0

    def larger(x: int, y: int) -> int:
        nonlocal calls
        calls += 1
        return x if x > y else y

    def twice(x: int) -> int:
        x = larger(x, 10)
        return x * 2

    double = lambda x: twice(x) * 2  # noqa: E731
    total = 0
    for i in range(5):
        total += larger(i, a) + double(b)  # type: ignore[no-untyped-call]
    return total * 100 + calls


@case((1, 2), (3, 3), (0, 9))
def call_flags(n: u8, flags: u8) -> u64:
    """Flags that the helper refuses: a negative errno, and no turn."""
    turns = 0

    def body(index: int) -> int:
        nonlocal turns
        turns += 1
        return 0

    result = bpf.helper.loop(n, body, None, flags)
    return u64(result) + turns
