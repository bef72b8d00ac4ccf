"""Hashes of structs and of numbers: elements that may be missing, live references, copies."""

from __future__ import annotations

from bpfvm import Counter, Hash, bool8, char, le16, le32, le64, s64, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Flow:
    count: u64 = 0
    last: u32 = 0
    port: u16 = 0
    name: char[6] = b""


@struct
class Pair:
    left: u32
    right: u8


flows = Hash(u32, Flow, 16, name="flows")
pairs = Hash(Pair, u32, 16, name="pairs")
starts = Hash(u32, u64, 16, name="starts")
hits = Counter(u8, max_entries=8, name="hits")
names = Hash(char[4], s64, 16, name="names")
disks = Hash(le32, le16, 16, name="disks")
seen = Hash(u32, bool8, 16, name="seen")
sizes = Counter(le64, le64, max_entries=16, name="sizes")
least = Hash(u32, u64, 16, lru=True, name="least")
fresh = Hash(u32, u32, 16, name="fresh")


@case((1, 5), (1, 6), (2, 7), (1, 8))
def hash_live_reference(k: u32, x: u32) -> u64:
    """What is stored in a found struct is in the map."""
    v = flows.get(k)
    if v is None:
        flows[k] = Flow(count=1, last=x)
        return 1
    v.count += 1
    v.last = x
    return v.count * 100 + v.last


@case((1, 5), (9, 6), (1, 7))
def hash_truth(k: u32, x: u32) -> u64:
    """A struct that is there is true, whatever is in it."""
    v = flows.get(k)
    if not v:
        flows[k] = Flow(last=x)
    if v:
        return v.last + 1
    return 7


@case((1, 2), (1, 3), (4, 4), (4, 1))
def hash_joined(k: u32, x: u32) -> u64:
    """One of two elements, or none."""
    flows[x] = Flow(count=x)
    v = flows.get(k) if k > 2 else flows.get(x)
    w = v
    if v is not None:
        w.count += 3
        return v.count
    return 99


@case((0, 3), (1, 3), (5, 3), (7, 8))
def hash_in_a_loop(k: u32, n: u8) -> u64:
    """The last element that a loop finds."""
    flows[k] = Flow(count=k)
    best = None
    for i in range(8):
        v = flows.get(i)
        if v is not None and v.count >= n:
            best = v
    if best is None:
        return 1000
    best.last += 1
    return best.count + best.last


def bumped(v: Flow | None, by: int) -> Flow | None:
    """What may be None goes into a function and out of it."""
    if v is None:
        return None
    v.count += by
    return v


@case((1, 2), (1, 3), (2, 3))
def hash_through_a_function(k: u32, x: u32) -> u64:
    """A reference that may be None as an argument and as a result."""
    if k not in flows:
        flows[k] = Flow(count=x)
        return 0
    found = bumped(flows.get(k), x)
    if found is None:
        return 1
    return found.count


@case((1, 2), (1, 2), (3, 2), (1, 9))
def hash_key_of_a_struct(a: u32, b: u8) -> u64:
    """Padding of a key counts for nothing."""
    key = Pair(left=a, right=b)
    old = pairs.get(key, 0)
    pairs[Pair(left=a, right=b)] = old + 5
    return old + pairs[key]


@case((1, 10), (1, 30), (2, 5), (1, 60))
def hash_times(k: u32, now: u32) -> u64:
    """A number that is taken out."""
    t0 = starts.pop(k, None)
    if t0 is None:
        starts[k] = now
        return 0
    return now - t0


@case((1,), (2,), (1,), (3,))
def hash_key_error(k: u32) -> u64:
    """A missing key ends the program."""
    if k == 2:
        starts[1] = 5
    return starts[k]


@case((3,), (3,), (4,))
def hash_delete(k: u32) -> u64:
    """So does the deletion of one."""
    if k not in starts:
        starts[k] = 1
        return 2
    del starts[k]
    del starts[k]
    return 3


@case(*((i,) for i in (1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1)))
def hash_counter(k: u8) -> u64:
    """A counter counts from 0, until there is no more room."""
    hits[k] += 1
    hits[k] += k
    return hits[k] + hits[u8(k + 100)]


@case((1, 0), (1, 5), (2, 1))
def hash_counter_fault(k: u8, x: u8) -> u64:
    """Nothing is counted where the number faults."""
    hits[k] += 10 // x
    hits[k] -= 1
    hits[k] |= 64
    hits[k] *= 3
    return hits[k]


@case((1,), (7,))
def hash_names(k: u8) -> s64:
    """Keys that are texts."""
    names[b"get"] = k
    names["put "] = -1
    one = names.setdefault(b"GET ", k + 1)
    names[b"GET "] = s64(names[b"GET "] + 1)
    return s64(one + names[b"get"] + names[b"put "] + names["GET "])


@case((1,), (2,), (1,))
def hash_popped_struct(k: u32) -> u64:
    """A struct that is taken out is a copy."""
    old = flows.pop(k, None)
    flows[k] = Flow(count=5, name=b"abcdefgh")
    if old is None:
        return flows[k].count
    old.count += 1
    return old.count * 10 + flows[k].count


@case((1,), (2,), (1,))
def hash_setdefault(k: u32) -> u64:
    """An element that is made when it is missing."""
    v = flows.setdefault(k, Flow(port=9))
    v.count += 2
    flows[k].count += 1
    flows[k].port = 80
    return v.count + v.port


@case((1, 3), (1, 4), (2, 0), (1, 9), (2, 7))
def hash_counted(k: u32, x: u32) -> u64:
    """A key that was stored, or tested, is there: on every way that meets here, until it is deleted."""
    if k not in starts:
        starts[k] = x
    starts[k] += 1
    starts[k] |= 1 << 40
    if k in starts:
        starts[k] -= x & 3
    pairs[Pair(left=x, right=1)] = 5  # another map
    starts[k] ^= 2
    found = starts[k]
    if x & 1:
        del starts[k]
        starts[k] = 4
    return found + starts[k]


def doubled(x: int) -> int:
    return x * 2


def dropped(k: int, x: int) -> None:
    if x & 1:
        del starts[k]


def moved(key: Pair) -> int:
    key.left += 1
    return key.left


@case((1, 2), (1, 4), (2, 3), (2, 6), (1, 5))
def hash_through_calls(k: u32, x: u32) -> u64:
    """A key that was tested is there behind calls that take nothing away, and no longer behind others."""
    if k not in starts:
        starts[k] = x
    starts[k] += doubled(x)
    key = Pair(left=k, right=2)
    pairs[key] = x
    pairs[key] += doubled(k)
    total = pairs[key] * 1000 + moved(key)
    total += pairs.get(key, 500)
    dropped(k, x)
    return total + starts[k]


@case((1, 3), (1, 4), (2, 3), (1, 9), (2, 7))
def hash_key_that_changes(k: u32, x: u32) -> u64:
    """What a struct as a key has found holds as long as the struct does."""
    key = Pair(left=k, right=1)
    total = u64(0)
    if key in pairs:
        pairs[key] += 1
        total += pairs[key]
        key.left += x  # another key from here on
        total += pairs.get(key, 7)
    key.right = 2
    pairs[key] = x
    pairs[key] += 5
    key.left = k
    return total * 1000 + pairs.get(key, 999)


@case((1, 3), (9, 4), (2, 3), (17, 9), (2, 7), (33, 1), (9, 0))
def hash_least_used(k: u32, x: u32) -> u64:
    """A store to one key may push out another one."""
    total = u64(0)
    if k in least:
        least[k] += 1
        least[u32(k + 1)] = x
        total += least.get(k, 100)
    least[k] = x
    least[k] += 3
    return total + least[k]


@case((0, 3), (5, 4), (9, 3))
def hash_in_turns(k: u32, n: u8) -> u64:
    """What a turn of a loop takes away is not there on the next."""
    starts[k] = 1
    for i in range(n):
        if k in starts:
            starts[k] += i
            if i == 2:
                del starts[k]
        else:
            starts[k] = 50
    return starts.get(k, 77)


@case((1, 5), (2, 9), (1, 7))
def hash_replaced(k: u32, x: u32) -> u64:
    """What is stored under a key is another struct: references stay with the one before."""
    flows[k] = Flow(count=x)
    v = flows[k]
    flows[k] = Flow(count=x + 1)
    total = v.count
    if k in flows:
        w = flows[k]
        flows[k] = Flow(count=x + 2)
        total = total * 100 + w.count
    flows[k].count += 5
    return total * 100 + flows[k].count


@struct
class Disk:
    magic: le32
    size: le64
    kind: le16
    on: bool8
    flags: bool8[4]


@case((1, 2, 3), (65535, 2**64 - 1, 2**32 - 1), (7, 1 << 40, 8), (0, 0, 0))
def hash_of_formats(a: le16, x: le64, y: u32) -> le32:
    """Little-endian numbers and truths of a file's format: in fields, arrays, keys, values, parameters."""
    d = Disk(magic=y, size=x, kind=a, on=y & 1)
    d.flags[a & 3] = y != 0
    disks[y] = a
    seen[y] = a > 5
    sizes[x] += a
    total = d.magic + d.kind + (d.size >> 3) + d.on + sum(one for one in d.flags)
    d.size = total * 3
    return le32(total + d.size) + disks[y] + seen[y] + sizes[x] + le16(y) + x


@case((0, 1), (1, 5), (1, 0))
def truths_of_formats(a: bool8, y: u32) -> bool8:
    """A parameter, a cast and a result."""
    return bool8(y) and a


@case((1, 5), (1, 6), (2, 1), (1, 9), (14, 4), (14, 6), (3, 7))
def hash_get_and_set(k: u32, n: u32) -> u64:
    """What a get has found is stored to; what was deleted since, or another key, is not."""
    fresh[k] = u32(fresh.get(k, 3) + n)
    before = fresh.get(k, 0)
    if n == 6:
        del fresh[k]
    fresh[k] = u32(before * 2)
    other = fresh.get(u32(k + 1), 7)
    for i in range(3):
        fresh[u32(k + i)] = u32(fresh.get(u32(k + i), other) + 1)
    last = fresh.get(k)
    k = u32(k + 5)
    fresh[k] = 1 if last is None else last
    hits[1] = hits[1] * 3 + 1
    least[k] = least.get(k, 8) + 1
    return sum(fresh.get(u32(i), 9) * i for i in range(20)) + hits[1] + least[k]
