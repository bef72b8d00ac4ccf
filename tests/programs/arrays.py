"""Arrays on the stack: elements of all widths, slices, loops, rows of rows, arrays of structs."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from bpfvm import be16, be32, be64, s8, s16, s32, s64, struct, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1


@struct
class Point:
    """An element of 12 bytes: no power of two."""

    x: u32 = 0
    y: u16 = 7
    z: s32 = -1

    def total(self) -> int:
        """Of all three."""
        return self.x + self.y + self.z


@struct
class Grid:
    """Arrays inside of a struct."""

    name: u8[3] = b"abc"
    cells: u16[3][4]
    points: Point[2]
    last: u8 = 9


@struct
class Stack:
    """A stack of numbers with methods of its own."""

    used: u32 = 0
    items: u32[8]

    def push(self, value: int) -> None:
        """IndexError when it is full."""
        self.items[self.used] = value
        self.used += 1

    def pop(self) -> int:
        """ValueError when it is empty."""
        if self.used == 0:
            raise ValueError("empty")
        self.used -= 1
        return self.items[self.used]

    def __len__(self) -> int:
        return self.used

    def __contains__(self, value: int) -> bool:
        return any(self.items[i] == value for i in range(self.used))


def literals(a: u32) -> u64:
    """What is not given is zero."""
    values = u32[4](1, a, 3)
    return values[0] + values[1] * 2 + values[2] * 4 + values[3] * 8


def widths(i: u8, a: u64) -> u64:
    """Stores keep low bits, loads extend as the type says."""
    bytes_, shorts, words, longs = u8[4](), s16[4](), s32[4](), u64[4]()
    j = i & 3
    bytes_[j] = u8(a)
    shorts[j] = s16(a)
    words[j] = s32(a)
    longs[j] = a
    return bytes_[j] + u64(shorts[j]) + u64(words[j]) * 3 + longs[j] * 5 + longs[3 - j]


def signed_bytes(i: u8, a: u8) -> s64:
    """s8 and s16."""
    values = s8[8](-1, 127, -128)
    values[i & 7] = s8(a)
    return values[0] * 3 + values[1] * 5 + values[2] * 7 + values[i & 7]


def network_order(i: u8, a: u64) -> u64:
    """Elements in network order."""
    ports, hosts, wide = be16[4](), be32[4](), be64[2]()
    ports[i & 3] = u16(a)
    hosts[i & 3] = u32(a)
    wide[i & 1] = a
    return u64(ports[i & 3] + hosts[0]) + u64(wide[1])


def index(i: u8) -> u32:
    """IndexError where it is outside."""
    values = u32[5](10, 20, 30, 40, 50)
    return values[i]


def negative_index(i: s8) -> u32:
    """Negative indexes count from the end."""
    values = u32[5](10, 20, 30, 40, 50)
    return values[i] + values[-1] + values[-5]


def index_classes(a: u64, b: s64) -> u32:
    """An index may be u64, s64 or bool."""
    values = u16[4](3, 5, 7, 11)
    return values[a] * 100 + values[b] * 10 + values[a > 1]


def always_outside(a: u32) -> u32:
    """A constant that is no index."""
    values = u8[4]()
    if a > 5:
        return values[4]
    return values[a % 4]


def store_outside(i: u16, a: u8) -> u32:
    """What was stored before the fault is gone with the program."""
    values = u8[8]()
    values[0] = a
    values[i] = 7
    return values[0] + values[i - 1]


def augmented(i: u8, a: u8) -> u32:
    """Each operator on an element."""
    values = u32[4](100, 200, 300, 400)
    j = i & 3
    values[j] += a
    values[j] *= 3
    values[j] -= 1
    values[j] //= 2
    values[j] ^= 0xFF
    values[j] <<= 2
    values[j] |= 1
    values[j] %= 1000
    values[j] &= 0x3FF
    values[j] >>= 1
    return values[0] + values[1] + values[2] + values[3]


def swapped(i: u8, j: u8) -> u64:
    """Elements change places."""
    values = u16[4](1, 20, 300, 4000)
    values[i & 3], values[j & 3] = values[j & 3], values[i & 3]
    return values[0] + values[1] * 3 + values[2] * 5 + values[3] * 7


def aliases(i: u8) -> u32:
    """Two names of one array, and a copy."""
    values = u8[4](1, 2, 3, 4)
    same, other = values, copy(values)
    same[i & 3] = 50
    other[0] = 9
    return values[i & 3] + other[0] * 2 + other[i & 3] * 3


def lengths(a: u32) -> u32:
    """len() is a constant."""
    values, grid = u8[16](), Grid()
    return len(values) + len(grid.cells) * 3 + len(grid.cells[0]) * 5 + len(values[2:7]) + u8[4].sizeof + a % 3


def rows(i: u8, j: u8, a: u16) -> u64:
    """An array of arrays."""
    grid = Grid()
    grid.cells[i & 3][j & 1] = a
    grid.cells[2][2] += 5
    row = grid.cells[i & 3]
    row[2] = 11
    return grid.cells[i & 3][j & 1] + grid.cells[2][2] + grid.cells[i & 3][2] * 3 + grid.last + grid.name[1]


def rows_outside(i: u8, j: u8) -> u32:
    """Both indexes are tested."""
    cells = u16[2][3]()
    cells[i][j] = 5
    return cells[i][j] + cells[0][0]


def of_structs(i: u8, a: u32) -> u64:
    """An array of structs: elements are references, and stores copy."""
    points = Point[3](Point(x=5), Point(y=1, z=2))
    point = points[i % 3]
    point.x += a & 0xFFFF
    points[2] = point
    point.y = 100
    return points[0].x + points[1].y * 3 + points[2].total() * 7 + points[i % 3].y


def struct_in_struct(i: u8, a: u32) -> s64:
    """Arrays of structs in a struct."""
    grid = Grid()
    grid.points[i & 1].x = a
    grid.points[0] = grid.points[1]
    return grid.points[0].total() + grid.points[1].x


def loop_over(a: u8) -> u64:
    """`for x in array`."""
    values = u16[6](3, a, 5, a, 7)
    total = u64(0)
    for value in values:
        total = total * 3 + value
    return total


def loop_changes(a: u8) -> u64:
    """An element is read when its turn comes."""
    values = u32[6](1, a)
    total = 0
    for i, value in enumerate(values):
        if i < 5:
            values[i + 1] += value
        total += value
    return total


def loop_structs(a: u8) -> u64:
    """Elements that are structs are references."""
    points = Point[4]()
    for i, point in enumerate(points):
        point.x = i * a
    total = 0
    for point in points:
        total += point.total()
    return total


def loop_reversed(a: u8) -> u64:
    """reversed() of an array."""
    values = u8[20]()
    for i in range(20):
        values[i] = u8(i * a)
    total = u64(0)
    for value in reversed(values):
        total = total * 31 + value
    return total


def loop_zip(a: u8) -> u64:
    """zip() of arrays, and of an array and a tuple."""
    left, right = u8[4](1, 2, a, 4), u16[5](9, a, 7, 6, 5)
    total = u64(0)
    for x, y in zip(left, right):  # noqa: B905
        total = total * 5 + x * y
    for x, weight in zip(left, (1, 10, 100, 1000)):  # noqa: B905
        total += x * weight
    return total


def loop_else(a: u8) -> u32:
    """break and else."""
    values = u8[8](3, 1, 4, 1, 5, 9, 2, 6)
    for i, value in enumerate(values):
        if value == a:
            found = i
            break
    else:
        found = 100
    return found


def bubble(a: u64) -> u64:
    """Bytes of a number, sorted."""
    values = u8[8]()
    for i in range(8):
        values[i] = u8(a >> (8 * i))
    for i in range(7):
        for j in range(7 - i):
            if values[j] > values[j + 1]:
                values[j], values[j + 1] = values[j + 1], values[j]
    result = u64(0)
    for value in values:
        result = result << 8 | value
    return result


def sieve(n: u8) -> u32:
    """Primes below 60."""
    composite = u8[60]()
    count = 0
    for i in range(2, 60):
        if composite[i] == 0:
            count += i < n
            j = i * i
            while j < 60:
                composite[j] = 1
                j += i
    return count


def fibonacci(n: u8) -> u64:
    """A table that the program fills."""
    values = u64[32](u64(0), 1)
    for i in range(2, 32):
        values[i] = values[i - 1] + values[i - 2]
    return values[n & 31]


def reduced(a: u8, b: u8) -> u64:
    """Reducers over arrays."""
    values = u16[6](a, 2, b, 4, 5)
    score = sum(values) + max(values) * 1000 + min(values)
    score += any(value == b for value in values) * 7 + all(value < 200 for value in values) * 9
    return score + sum(x * y for x, y in zip(values, (3, 1, 4, 1, 5, 9)))  # noqa: B905


def generated(a: u16) -> u64:
    """Arrays of generators, few items and many."""
    few, many = u32[4](i * a for i in range(4)), u16[30](u16(a ^ i * 7) for i in range(30))
    odd = u8[5](i for i in range(1, 10, 2))
    copied = u16[30](value ^ 1 for value in many)
    total = 0
    for i in range(30):
        total += many[i] * i + copied[i]
    return few[1] + few[3] + total + odd[4]


def membership(a: u8) -> u32:
    """`in` an array."""
    values = u8[6](1, 2, 3, 5, 8, 13)
    return (a in values) + 2 * (a not in values[2:5]) + 4 * (a in Stack(used=2, items=u32[8](7, 9)))


def equal_arrays(i: u8, a: u8) -> u32:
    """Arrays of one type compare by their bytes."""
    left, right = u16[5](1, 2, 3, 4, 5), u16[5](1, 2, 3, 4, 5)
    right[i % 5] = a
    return (left == right) + 2 * (left != right) + 4 * (left[1:4] == right[1:4])


def equal_structs(i: u8, a: u8) -> u32:
    """Arrays of structs, with padding, compare too."""
    left, right = Point[3](), Point[3]()
    right[i % 3].y = a
    return (left == right) + 2 * (left[i % 3] == right[i % 3]) + 4 * (Grid() == Grid(last=a))


def passed(values: u8[4], by: int) -> int:
    """Changes what it gets."""
    values[1] = u8(values[1] + by)
    return values[0] + values[1]


def picked(values: u16[3], i: int) -> u16[3]:
    """Gives what it got, or another one."""
    if i > 4:
        return u16[3](i, i, i)
    return values


def functions(a: u8) -> u64:
    """Arrays go in and out."""
    values, shorts = u8[4](a, 2), u16[3](1, 2, 3)
    first = passed(values, 5)
    same = picked(shorts, a)
    same[1] += 10
    return first + values[1] * 3 + shorts[1] * 7 + same[2] * 11


def rotated(n: u8) -> u64:
    """Names of arrays change in a loop: two buffers in turn."""
    now, then = u32[3](1, 2, 3), u32[3]()
    for i in range(n & 15):
        then[0] = now[1] + i
        then[1] = now[2] ^ now[0]
        then[2] = now[0] & 0xFFFF
        now, then = then, now
    return now[0] + now[1] * 3 + now[2] * 5


def methods(a: u8, b: u8) -> u64:
    """A struct with an array and methods."""
    stack = Stack()
    for i in range(a & 15):
        stack.push(i * b)
    if b & 1:
        stack.pop()
    return len(stack) * 1000 + stack.pop() + (b in stack)


def matrix(a: u8, b: u8) -> u64:
    """A product of matrices."""
    left, right, out = u32[2][2](), u32[2][2](), u64[2][2]()
    for i in range(2):
        for j in range(2):
            left[i][j] = i * a + j
            right[i][j] = i + j * b
    for i in range(2):
        for j in range(2):
            for k in range(2):
                out[i][j] += left[i][k] * right[k][j]
    return out[0][0] + out[0][1] * 3 + out[1][0] * 5 + out[1][1] * 7


def binary_search(a: u16) -> u32:
    """Ends of the search move."""
    values = u16[16](i * i * 5 for i in range(16))
    low, high = 0, 16
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < a:
            low = middle + 1
        else:
            high = middle
    return low


def ring(n: u8, a: u8) -> u64:
    """An index that goes round."""
    buffer, at = u16[8](), 0
    for i in range(n & 31):
        buffer[at] = i * a
        at = (at + 3) % 8
    total = u64(0)
    for value in buffer:
        total = total * 3 + value
    return total


def large(i: u8) -> u32:
    """As much as the stack holds in one piece."""
    values = u8[400]()
    values[i] = 7
    values[i + 100] += 5
    return values[i] + values[399] + values[i + 100]


BYTES: list[tuple[int, ...]] = [(0,), (1,), (2,), (3,), (4,), (5,), (9,), (13,), (127,), (128,), (255,)]
PAIRS: list[tuple[int, ...]] = [(0, 0), (1, 0), (3, 1), (2, 200), (4, 3), (7, 255), (255, 255), (0, 1)]
SIGNED: list[tuple[int, ...]] = [(0,), (4,), (5,), (251,), (250,), (255,), (128,), (127,), (3,), (253,), (10,)]
WORDS: list[tuple[int, ...]] = [(0, 0), (1, 255), (2, 0x8000), (3, M64), (2, 0x0123456789ABCDEF), (7, M32), (8, 1)]


def unpacked(a: u32, b: u8) -> u64:
    """An array to names, all of it read before one is bound; a constant; names behind a star."""
    pair = u32[2](a, b)
    x, y = pair
    pair[0], pair[1] = y, x
    pair[1], pair[0] = pair
    first, *rest, last = u8[4](b, 2, 3, a & 0xFF)
    low, high = b"<>"
    return x + y * 3 + pair[0] * 5 + pair[1] * 7 + first + sum(rest) * 11 + last + low * high


CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (literals, BYTES),
    (widths, WORDS),
    (signed_bytes, PAIRS),
    (network_order, WORDS),
    (index, BYTES),
    (negative_index, SIGNED),
    (index_classes, [(0, 0), (3, M64), (4, 0), (1, M64 - 4), (M64, 0), (2, 4)]),
    (always_outside, BYTES),
    (store_outside, PAIRS),
    (augmented, PAIRS),
    (swapped, PAIRS),
    (aliases, BYTES),
    (lengths, BYTES),
    (rows, [(0, 0, 0), (1, 1, 7), (2, 0, 65535), (255, 255, 9)]),
    (rows_outside, PAIRS),
    (of_structs, PAIRS),
    (struct_in_struct, [(0, 0), (1, M32), (3, 7)]),
    (loop_over, BYTES),
    (loop_changes, BYTES),
    (loop_structs, BYTES),
    (loop_reversed, BYTES),
    (loop_zip, BYTES),
    (loop_else, BYTES),
    (bubble, [(0,), (M64,), (0x0123456789ABCDEF,), (0x8000000000000001,)]),
    (sieve, [(0,), (3,), (30,), (255,)]),
    (fibonacci, BYTES),
    (reduced, PAIRS),
    (generated, [(0,), (1,), (1000,), (65535,)]),
    (membership, BYTES),
    (equal_arrays, PAIRS),
    (equal_structs, PAIRS),
    (functions, BYTES),
    (unpacked, PAIRS),
    (rotated, BYTES),
    (methods, PAIRS),
    (matrix, PAIRS),
    (binary_search, [(0,), (1,), (5,), (6,), (500,), (1125,), (1126,), (65535,)]),
    (ring, PAIRS),
    (large, BYTES),
]
