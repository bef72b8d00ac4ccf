"""Hashes that are gone over: the kernel calls the body for each entry, in an order of its own."""

from __future__ import annotations

from bpfvm import Array, ArrayOf, Counter, Hash, Ring, bpf, char, s64, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Key:
    port: u16
    kind: u8


@struct
class Value:
    count: u64 = 0
    last: u32 = 0
    seen: u8[4] = b""


numbers = Hash(u32, u64, 64, name="numbers")
counted = Hash(u32, u64, 64, name="counted")
beside = Hash(u32, u64, 64, name="beside")
signed = Hash(u8, s64, 64, name="signed")
recent = Hash(u32, u64, 1024, name="recent", lru=True)
own = Hash(u32, u64, 64, name="own", percpu=True)
own_recent = Hash(u32, u64, 1024, name="own_recent", lru=True, percpu=True)
counts = Counter(u32, max_entries=64, name="counts")
values = Hash(Key, Value, 64, name="values")
names = Hash(char[8], u32, 64, name="names")
records = Ring(Value, 4096, name="records")
one_inside = Hash(u32, u64, 16, name="one_inside")
inside = ArrayOf(Hash(u32, u64, 16), 4, {2: one_inside}, name="inside")
totals = Array(u64, 4, name="totals")


@case((0, 3), (5, 9), (2, 2**63), (6, 1), (5, 0))
def visit_items(k: u32, n: u64) -> u64:
    """Keys with values; a sum that goes around."""
    numbers[k] = n
    total = u64(0)
    for key, value in numbers.items():
        total += value * (key + 1)
    return total


@case((0, 3), (4, 9), (1, 2), (9, 0))
def visit_keys(k: u32, n: u32) -> u64:
    """`continue`, and `else`, which runs where nothing left."""
    counts[k] += n
    odd = 0
    for key in counts:
        if not key & 1:
            continue
        odd += 1
    else:
        odd += 100
    return odd


@case((0, 3), (4, 9), (9, 9), (200, 9))
def visit_break(k: u8, n: u8) -> s64:
    """`break` passes `else` by; what the target was stays."""
    signed[k] = n - 100
    key = 255
    for key, value in signed.items():  # noqa: B007
        if key == 9:
            break
    else:
        return -1
    return key + value


@case((0, 3), (4, 9), (9, 9), (17, 9))
def visit_return(k: u32, n: u8) -> u64:
    """`return` of something that the body has computed."""
    recent[k] = n
    for key, value in recent.items():
        found = value * 2 + key
        if key == 9:
            return found
    return 1000


@case((1, 3), (2, 9), (3, 1))
def visit_per_cpu(k: u32, n: u8) -> u64:
    """Values of the CPU that it runs on, changed in their place."""
    own[k] = n
    own_recent[k] = n + 1
    total = u64(0)
    for key in own:
        own[key] = own[key] + key
    for value in own.values():
        total += value
    for key, value in own_recent.items():
        total += value * key
    return total


@case((80, 6, 3), (443, 17, 9), (80, 17, 1), (443, 17, 4))
def visit_structs(port: u16, kind: u8, n: u32) -> u64:
    """Keys are copies; values are what stands in the map, and what is stored in them stays."""
    values[Key(port=port, kind=kind)] = Value(count=n)
    best = u64(0)
    for key, value in values.items():
        value.count += key.port
        value.last = key.kind + 1
        value.seen[key.kind & 3] = 7
        best = max(best, value.count)
        key.port = 1
    for value in values.values():
        best += value.last
    return best


@case((1,), (2,), (3,), (250,))
def visit_texts(n: u8) -> u64:
    """Keys of characters; the one whose turn it is may be deleted."""
    names["one"] = n
    names["two"] = n + 1
    names["seven"] = n + 2
    deleted = 0
    for name, number in names.items():
        if name == "two" or number > 250:
            del names[name]
            deleted += number
    rest = 0
    for _ in names:
        rest += 1
    return deleted * 10 + rest


@case((1,), (2,), (0,), (3,))
def visit_faults(n: u8) -> u64:
    """A fault in the body ends the program."""
    own[1] = n
    total = u64(0)
    for value in own.values():
        assert value != 2, "two"
        total += 100 // value
    return total


@case((1, 2), (3, 4), (5, 6), (7, 8))
def visit_twice(k: u16, n: u8) -> u64:
    """One in another, with a loop in it; `break` of the inner one."""
    recent[k] = n
    counts[k * 2] += n
    counts[k] += 1
    met = u64(0)
    for key, value in recent.items():
        for other in counts:
            if other == key:
                met += counts[other] + value
                break
        for i in range(3):
            met += i * key
    return met


@case((1, 2), (3, 4), (5, 60), (7, 8))
def visit_captured(k: u32, n: u8) -> u64:
    """Names of the function in the body: a struct on the stack, a number or None, an element of an array."""
    numbers[k] = n
    made = Value(count=1)
    first = None
    slot = totals[k & 3]
    for key, value in numbers.items():
        made.count += value
        made.seen[k & 3] += 1
        totals[1] += value
        if key == k:
            first = value
    if first is None:
        return 5
    return made.count + made.seen[k & 3] * 1000 + first + slot


@case((3, 9), (4, 20), (5, 0), (6, 1))
def visit_reduced(k: u32, n: u8) -> u64:
    """Generators over hashes."""
    counts[k] = n
    if any(value == 20 for value in counts.values()):
        return 1
    if all(key > 2 for key in counts):
        return 2
    return u64(sum(counts.values())) + u64(sum(key * value for key, value in counts.items() if value))


@bpf.func
def largest(least: u32) -> u32:
    """A subprogram with a loop in it, and a fault of its own."""
    best = least
    for key in numbers:
        assert key != 13, "thirteen"
        best = max(best, key)
    return best


@case((1, 0), (5, 0), (3, 9), (13, 1))
def visit_in_a_subprogram(k: u32, least: u32) -> u64:
    numbers[k] = 1
    return largest(least) * 2


@bpf.func
def halved(n: u32) -> u32:
    assert n != 3, "three"
    return n // 2


@case((1, 0), (5, 0), (8, 9), (3, 1))
def visit_with_a_subprogram(k: u32, start: u8) -> u64:
    """A subprogram is called for each entry, and may end the program."""
    counts[k] = 1
    total = start
    for key in counts:
        total += halved(key) & 0xFF
        if total > 60000:
            break
    return total


@case((1, 5), (2, 7), (3, 12), (4, 3))
def visit_records(k: u32, n: u8) -> u64:
    """What the body takes it gives back on every way out."""
    own[1] = n
    own[2] = n
    for value in own.values():
        one = records.reserve()
        if one is None:
            return 9
        one.count = 100 // (value - 7)
        if value == 12:
            one.submit()
            return 4
        if value == 3:
            one.submit()
            break
        one.discard()
    return k


@case((1, 5), (2, 7), (3, 12))
def visit_inside(k: u32, n: u8) -> u64:
    """A map that was found in another one."""
    table = inside[2]
    table[k] = n
    total = u64(0)
    for key, value in inside[2].items():
        total += key * value
    return total


@case((1, 5), (2, 7), (63, 12), (64, 1), (70, 2), (90, 3))
def visit_many(k: u32, n: u8) -> u64:
    """Many entries."""
    for i in range(k):
        numbers[i] = n
    seen = 0
    for key in numbers:
        if numbers[key] == n:
            seen += 1
    return seen


@case((3, 0), (5, 7), (9, 200), (1, 0))
def visit_counted(k: u8, start: u8) -> u64:
    """`enumerate` counts entries, whatever their order is."""
    counted[u32(k)] = k
    total = u64(0)
    seen = last = 0
    for i, key in enumerate(counted):
        seen |= 1 << (i & 7)
        if key == 5:
            continue
        total += 1
    for i, (key, value) in enumerate(counted.items(), start):
        total += key + value
        last = i
        if i > 201:
            break
    return total * 100_000 + last * 300 + seen + sum(i for i, _ in enumerate(counted.values()))


@case((3, 0), (5, 2), (9, 200), (1, 8), (1, 5))
def visit_beside(k: u8, n: u8) -> u64:
    """`zip` ends with the shorter of both, whatever the order of entries is."""
    beside[u32(k)] = k
    total = u64(0)
    at = turns = 0
    for (key, value), i in zip(beside.items(), range(10), strict=False):
        total += (key + value) * 1000 + i
    for at, _, x in zip(range(1, n, 3), beside.values(), totals.values(), strict=False):
        turns += 1
        if x == 7:
            continue
        total += u64(at)
    else:
        turns += 10
    for x, _ in zip((4, 5, 6), beside, strict=False):
        if x == 6:
            break
        turns += x
    return total * 10_000 + u64(turns * 100 + at) + sum(i for _, i in zip(beside, range(n), strict=False))
