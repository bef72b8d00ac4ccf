"""Maps in which something stands from the start."""

from __future__ import annotations

from typing import Any

from bpfvm import (
    Array,
    Bloom,
    Counter,
    CpuMap,
    DevMap,
    Hash,
    HashOf,
    LpmTrie,
    Queue,
    Stack,
    bpf,
    char,
    ip4prefix,
    pkt,
    s16,
    struct,
    u8,
    u32,
    u64,
)
from tests.contract.inputs import Corpus
from tests.programs.tries import frame

case = Corpus()
CASES = case.cases


@struct
class Slot:
    count: u64 = 5
    last: u8 = 0


numbers = Array(s16, 4, name="numbers", contents=[-5, 6, 7])
slots = Array(Slot, 4, name="slots", contents={2: Slot(last=9)})
names = Hash(char[4], u64, 8, name="names", contents={"ab": 3, b"abcd": 4})
known = Counter(u32, u64, 8, name="known", contents={7: 3, 1: 1})
signs = Hash(s16, u32, 8, name="signs", lru=True, contents={-1: 5})
waiting = Queue(u32, 8, name="waiting", contents=[4, 5])
piled = Stack(Slot, 8, name="piled", contents=[Slot(count=1), Slot(count=2)])
first, other = Array(u64, 4, name="first", contents=[1, 2]), Array(u64, 4, name="other")
by_key = HashOf(u32, Array(u64, 4), 4, {5: first, 1 << 31: other}, name="by_key")


@case((0,), (1,), (2,), (3,), (4,), (0,))
def contents_of_all(i: u32) -> u64:
    """Numbers, structs, texts; what comes first out of a queue and of a stack."""
    slots[2].count += i
    total = u64(numbers[i] * 100) + slots[2].count * 10 + slots[2].last
    if i < 2:
        total += names["ab"] + names["abcd"] * 1000 + signs[-1]
    known[7] += 1
    taken, top = waiting.pop(), piled.pop()
    total += 7 if taken is None else taken
    return total + known[7] + known[1] + (0 if top is None else top.count)


@case((5, 0), (1 << 31, 1), (5, 1), (6, 1), (5, 4))
def contents_by_key(k: u32, i: u32) -> u64:
    """A map in a map, or None."""
    found = by_key.get(k)
    if found is None:
        return 99
    found[i] += 10
    again = by_key.get(5)
    if again is not None and k == 5:
        again[3] += 1
    return found[i] * 100 + first[3]


NETWORKS = [(ip4prefix(length=8, address=0x0A000000), 1), (ip4prefix(length=16, address=0x0A010000), 2)]
routes = LpmTrie(ip4prefix, u32, 8, name="routes", contents=NETWORKS)
seen = Bloom(u32, 8, name="seen", contents=[0x0A000001])
devs = DevMap(4, name="there", contents={1: 1})
far = DevMap(4, name="far", keyed=True, contents={1000: 1})
cpus = CpuMap(1, name="queues", contents={0: 192})


@case(frame(0x0A000001, 0), frame(0x0A010001, 1), frame(0x0B000001, 2), frame(0x0B000001, 3), frame(0x0B000001, 4))
@bpf.xdp
def contents_of_targets(ctx: Any) -> int:
    """Routes, and where packets go."""
    ip = pkt.ip
    where = routes.get(ip4prefix(length=32, address=ip.src), 0)
    if where == 1:
        return devs.redirect(1 if ip.src in seen else 0, 1)
    if where == 2:
        return far.redirect(1000, 2)
    if ip.dst == 3:
        return devs.redirect(0, 1)
    return cpus.redirect(0, 3)
