"""Texts in memory, bytes and tuples of constants, captured structs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from bpfvm import bits, char, s8, s16, s64, struct, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)
SIGNED = (-1, 300, -70000, 5)
LARGE = (u64(M64), u64(1), u64(2**63))
FLAGS = (True, False, False, True)
MIXED = (True, 7, -2)
TEXT = b"the quick brown fox jumps over the lazy dog"
METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE")
SQUARES = tuple(i * i for i in range(40))


class Level(enum.IntEnum):
    """Members in a table."""

    LOW = 3
    HIGH = 70


LEVELS = (Level.LOW, Level.HIGH, Level.LOW)


@struct
class Task:
    """A name and a number."""

    pid: u32 = 0
    name: char[16] = "swapper"
    tag: char[4]
    first: char = ord("x")

    def is_kernel(self) -> bool:
        """Compares its own field."""
        return self.name.startswith("kworker") or self.name == "swapper"


@struct
class Rule:
    """A captured constant."""

    low: u16
    high: u16
    verdict: u8 = 1
    exact: bits(u8, 1)
    name: char[5] = b"rule"


RULES = Rule[3](Rule(low=10, high=20), Rule(low=100, high=1000, verdict=2, exact=1), Rule(high=5, verdict=3))
DEFAULT = Rule(low=7, high=8, name="none")


def default_name(a: u32) -> u32:
    """A text is equal up to its first NUL."""
    task = Task(pid=a)
    score = (task.name == "swapper") + 2 * (task.name == b"swapper") + 4 * (task.name != "swappe")
    return score + 8 * (task.tag == "") + 16 * task.is_kernel() + task.first


def stored_name(a: u32) -> u32:
    """What is stored is cut, or filled up with zeros."""
    task = Task(name="bash")
    if a > 5:
        task.name = b"a name that is longer than the field"
        task.tag = "abcd"
    elif a > 2:
        task.name = "kworker/0:1"
        task.tag = task.name
    score = (task.name == "bash") + 2 * (task.name == "a name that is l") + 4 * task.is_kernel()
    return score + 8 * (task.tag == "abcd") + 16 * (task.tag == b"kwor") + task.name[15] * 32 + len(task.name)


def built_name(a: u32) -> u32:
    """A text that the program writes byte by byte."""
    text = char[8]()
    at = 7
    while at > 0 and a > 0:
        text[at] = ord("0") + a % 10
        a //= 10
        at -= 1
    digits = text[4:8]
    return (digits == "1234") + 2 * digits.startswith(b"12") + 4 * (text[7] == ord("4")) + 8 * (text == "")


def copied_name(a: u8) -> u32:
    """Texts of other lengths, and bytes."""
    short, long, raw = char[4]("abc"), char[12]("abcdefgh"), u8[6](97, 98, a)
    task = Task(name=long, tag=short)
    task.name = short
    before = task.name == "abc"
    task.name = raw
    short = long[2:6]
    return before + 2 * (task.name == "ab") + 4 * (task.name == b"abz") + 8 * (short == "cdef") + task.name[2]


def equal_names(a: u8) -> u32:
    """Two texts of one type are compared whole."""
    left, right = char[6]("abc"), char[6]("abc")
    right[a % 6] = ord("c")
    return (left == right) + 2 * (left != right)


def prefix(a: u8) -> u32:
    """startswith."""
    data = u8[8](0x47, 0x45, 0x54, a)
    return data.startswith(b"GET ") + 2 * data.startswith(b"GE") + 4 * data.startswith(b"") + 8 * (data[0:3] == b"GET")


def methods(a: u32) -> u32:
    """Bytes among constants."""
    data = u8[6]()
    data[1:5] = a.to_bytes(4, "big")
    word = data[1:5]
    return (word in METHODS) + 2 * (word in (b"HTTP", b"PUT ")) + 4 * (word not in (b"GET ", b"too long"))


def match_text(a: u8) -> u32:
    """match on a text, and on bytes."""
    text, data = char[4]("ab"), u8[2](65, 66)
    text[2] = data[1] = a
    match text:
        case "abc" | "abd":
            score = 1
        case b"ab":
            score = 2
        case _:
            score = 3
    match data:
        case b"Ac":
            return score + 10
        case b"AB":
            return score + 20
    return score


def table(i: u8) -> u32:
    """A tuple by an index that is not known."""
    return PRIMES[i & 7] * 100 + PRIMES[-1 - (i & 3)]


def table_outside(i: s8) -> s64:
    """IndexError, negative indexes."""
    return SIGNED[i]


def table_classes(i: u8) -> u64:
    """Items keep their class: u64 goes round, a bool is one."""
    total = LARGE[i % 3] + 2
    flag = FLAGS[i & 3]
    return total + (1000 if flag else 0) + (5 if flag is True else 6) + u64(MIXED[i % 3] + 10)


def table_enum(i: u8) -> u32:
    """Members of an enum."""
    level = LEVELS[i % 3]
    return level * 2 + (level == Level.HIGH)


def table_large(i: u8) -> u32:
    """Loops over many constants."""
    total = 0
    for square in SQUARES:
        total += square if square > i else 0
    for at, square in enumerate(SQUARES):
        total += at * (square & 1)
    return total + SQUARES[i % 40] + (i in SQUARES)


def text_index(i: u8) -> u32:
    """Bytes of a constant."""
    return TEXT[i] + TEXT[-1] + TEXT[i & 7]


def text_loop(a: u8) -> u32:
    """Each byte of a long constant."""
    count = 0
    for letter in TEXT:
        count += letter == a
    for letter in b"abc":
        count += 100 * (letter == a)
    return count


def text_slice(a: u8) -> u32:
    """Slices of constants are constants."""
    part, head = TEXT[4:9], PRIMES[2:4]
    data = u8[5](113, 117, 105, 99, a)
    return (data == part) + 2 * len(part) + head[0] * 10 + head[1] * 100


def hash_of(a: u32) -> u32:
    """A table of a checksum, one nibble at a time."""
    crc = 0xFFFFFFFF ^ a
    for _ in range(8):
        crc = NIBBLES[crc & 15] ^ (crc >> 4)
    return crc ^ 0xFFFFFFFF


def _nibble(value: int) -> int:
    for _ in range(4):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


NIBBLES = tuple(_nibble(i) for i in range(16))


def captured_struct(a: u16) -> u32:
    """A struct from around the function can be read."""
    rule = DEFAULT
    own = rule.copy()
    own.low += a & 3
    score = rule.low + own.high * 10 + (rule == own) * 1000 + (DEFAULT.name == "none") * 2000
    return score + (rule == DEFAULT) * 4000


def captured_rules(a: u16) -> u32:
    """An array of structs from around the function."""
    for i, rule in enumerate(RULES):
        if rule.low <= a <= rule.high:
            return rule.verdict * 100 + i * 10 + rule.exact
    return RULES[a % 3].verdict + len(RULES)


def captured_by_index(i: u8) -> u32:
    """Its elements by an index that is not known."""
    return RULES[i].high


def chosen_rule(a: u16) -> u32:
    """One of two captured structs, or none of them."""
    rule = RULES[0] if a < 10 else RULES[1]
    return rule.high + rule.low


def shifts(i: u8, a: s16) -> s64:
    """Ranges of table items are known: no test is needed for what they index."""
    counts = u32[20]()
    counts[PRIMES[i & 7]] += 5
    return counts[PRIMES[i & 3]] + (a << PRIMES[i & 3]) + SIGNED[i & 3] // 7


LETTERS: list[tuple[int, ...]] = [(ord(one),) for one in "abcdeoxz "] + [(0,), (255,)]
ONE: list[tuple[int, ...]] = [(0,), (1,), (2,), (3,), (5,), (6,), (7,), (42,), (43,), (66,), (120,), (255,)]
SHORTS: list[tuple[int, ...]] = [(0,), (3,), (5,), (10,), (15,), (20,), (100,), (500,), (1000,), (1001,), (65535,)]
CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (default_name, [(0,), (M32,)]),
    (stored_name, [(0,), (3,), (6,)]),
    (built_name, [(0,), (1234,), (1235,), (91234,), (7,), (12,), (M32,)]),
    (copied_name, LETTERS),
    (equal_names, ONE),
    (prefix, [(0,), (32,), (71,)]),
    (methods, [(int.from_bytes(one, "big"),) for one in (*METHODS, b"HTTP", b"abcd", b"\0\0\0\0")]),
    (match_text, [(0,), (66,), (99,), (100,), (101,)]),
    (table, ONE),
    (table_outside, [(0,), (3,), (4,), (255,), (252,), (251,), (128,)]),
    (table_classes, ONE),
    (table_enum, ONE),
    (table_large, ONE),
    (text_index, ONE),
    (text_loop, LETTERS),
    (text_slice, [(107,), (106,)]),
    (hash_of, [(0,), (1,), (M32,), (0x12345678,)]),
    (captured_struct, SHORTS),
    (captured_rules, SHORTS),
    (captured_by_index, ONE),
    (chosen_rule, SHORTS),
    (shifts, [(0, 0), (1, 5), (3, 2**15), (7, 2**16 - 1), (255, 100)]),
]
