"""value: bytes between the fields of a struct that lies in the packet are copied with it."""
from bpfvm import Array, Queue, Ring, bpf, pkt, struct, u8, u16, u64


@struct
class Loose:
    kind: u8 = 0
    size: u64 = 0
    end: u16 = 0


@struct
class Pair:
    first: Loose
    second: u8


events = Ring(Loose)
pairs = Ring(Pair)
kept = Array(Loose, 2)
waiting = Queue(Loose, 8)


@bpf.xdp
def f(ctx) -> int:
    there = pkt.at(Loose, 3)
    events.submit(there)
    mine = there.copy()
    events.output(mine)
    both = Pair(second=5)
    both.first = there
    pairs.submit(both)
    kept[1] = mine
    kept[0] = kept[1]
    waiting.push(mine)
    again = waiting.peek()
    if again is not None:
        events.submit(again)
    return 2 if mine == there else 1


INPUTS = ((bytes(range(100, 140)),), (bytes(40),))
