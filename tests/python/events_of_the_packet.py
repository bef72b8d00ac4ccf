"""fault: helpers that copy a record take no address of the packet; bytes of it are copied first."""
from bpfvm import PerfEvents, Queue, Ring, bpf, pkt, struct, u8, u16


@struct
class Head:
    kind: u16 = 0
    size: u16 = 0


heads = Ring(Head)
bytes_of = Ring(u8[6])
old = PerfEvents(Head)
waiting = Queue(Head, 8)


@bpf.xdp
def f(ctx) -> int:
    heads.submit(pkt.at(Head, 12))
    heads.output(pkt[0:8])
    bytes_of.submit(pkt.eth.src)
    old.submit(pkt.at(Head, 2))
    old.output(pkt.eth.dst)
    waiting.push(pkt.at(Head, 14))
    return 2


INPUTS = ((bytes(range(20)),), (bytes(range(14)),), (bytes(range(7, 40)),))
