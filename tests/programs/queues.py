"""Queues, stacks, histograms, maps per CPU, arrays of structs."""

from __future__ import annotations

from bpfvm import Array, Counter, Hash, Histogram, Histograms, Queue, Stack, char, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Job:
    id: u32 = 0
    size: u16 = 0
    kind: u8 = 0


numbers = Queue(u32, 4, name="numbers")
jobs = Queue(Job, 4, name="jobs")
small = Stack(u8, 3, name="small")
sizes = Histogram(12, name="sizes")
times = Histogram(name="times")
tens = Histogram(8, step=10, name="tens")
ones = Histogram(5, step=1, name="ones")
by_size = Histograms(u32, slots=26, name="by_size")
by_name = Histograms(char[4], 8, 64, "by_name", step=10)
by_job = Histograms(Job, max_entries=3, name="by_job")
own = Array(u64, 4, name="own", percpu=True)
counts = Counter(u32, max_entries=8, name="counts", percpu=True)
recent = Hash(u32, Job, 8, name="recent", lru=True)
records = Array(Job, 4, name="records")
tables = Array(u16[3], 4, name="tables")


@case(*((i,) for i in range(9)))
def queue_of_numbers(n: u32) -> u64:
    """Values come out as they went in, until there is no room."""
    if n == 5:
        first = numbers.pop()
        second = numbers.peek()
        if first is not None and second is not None:
            return first * 100 + second
        return 1000
    numbers.push(n)
    return 1


@case((0, 0), (1, 3), (2, 1), (3, 3), (4, 2))
def queue_of_structs(id: u32, turns: u8) -> u64:
    """A value that comes out is a copy."""
    jobs.push(Job(id=id, size=u16(id + 1)))
    total = 0
    for _ in range(turns & 3):
        job = jobs.pop()
        if job is None:
            return 7
        job.size += 1
        total += job.id * 10 + job.size
    again = jobs.peek()
    if again:
        total += again.size * 1000
    return u64(total)


@case((1,), (2,), (3,), (4,), (0,), (0,))
def stack_of_numbers(n: u8) -> u32:
    """The last one comes out first; a full one is a fault."""
    if n:
        small.push(n)
        return 0
    one = small.pop()
    return 99 if one is None else one


@case(*((i,) for i in (0, 1, 2, 3, 4, 7, 8, 1023, 1024, 2047, 2048, 4096, 2**32, 2**63 - 1, 2**63, 2**64 - 1)))
def histogram_slots(x: u64) -> u64:
    """The slot of a number is its logarithm, at most the last."""
    sizes.add(x)
    times.add(x)
    sizes.add(u8(x))
    sizes.add(5)
    times.add(x // 1000)
    return sizes[2] + times[63] * 1000 + sizes[11] * 100


@case((0, 1), (3, 2), (3, 5), (4, 1))
def percpu_array(i: u32, n: u32) -> u64:
    """A CPU's own numbers."""
    own[i] += n
    own[i] = own[i] * 2
    return own[i]


@case((1, 1), (1, 2), (2, 3))
def percpu_counter(k: u32, n: u32) -> u64:
    """A CPU's own counts."""
    counts[k] += n
    counts.add(k, 1)
    return counts[k] + counts[77]


@case(*((i & 3,) for i in range(9)))
def lru_of_structs(k: u32) -> u64:
    """None of few has to make room."""
    recent[k] = Job(id=k)
    found = recent.get(k)
    return found.id if found is not None else 1000


@case((0, 5), (1, 6), (0, 7), (4, 1))
def array_of_structs(i: u32, x: u32) -> u64:
    """Elements are there from the start; one is stored whole or in part."""
    records[i].id += x
    one = records[i]
    one.size = 3
    records[3] = one
    records[2] = Job(kind=9)
    return records[3].id * 10 + records[3].size + records[2].kind


@case((0, 5), (3, 6), (0, 7))
def array_of_arrays(i: u32, x: u16) -> u64:
    """An element of an element."""
    tables[i][1] = x
    tables[i][2] += x
    tables[1] = tables[i]
    found = tables.get(i + 1)
    more = found[0] if found is not None else 500
    return tables[1][1] + tables[1][2] + more


@case(*((i,) for i in (0, 9, 10, 69, 70, 79, 80, 1000, 2**32, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1)))
def histogram_steps(x: u64) -> u64:
    """Slots of equal steps: the last takes all that is larger."""
    tens.add(x)
    ones.add(x)
    tens.add(u8(x))
    ones.add(u8(x) & 3)
    return tens[7] * 1000 + ones[4] * 100 + tens[1] * 10 + ones[1]


@case(*((x, x >> 3) for x in (0, 1, 2, 3, 1023, 1024, 2**25, 2**26, 2**40, 2**63, 2**64 - 1)))
def histograms_by_key(x: u64, y: u64) -> u64:
    """Each key has slots of its own; a number, a text or a struct is one."""
    by_size.add(u32(x), x)
    by_size.add(7, y)
    by_size.add(key=u32(x) & 1, value=u8(y))
    by_name.add(b"ab", y)
    by_name.add(b"abcd", u8(x))
    return u32(x)


@case((1, 1), (1, 2), (2, 3), (3, 300), (1, 1))
def histograms_without_room(k: u16, v: u32) -> u64:
    """A slot that counts for the first time needs room, others do not."""
    by_job.add(Job(id=5, size=k), v)
    return v
