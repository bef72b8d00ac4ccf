"""crash: a test for one of two protocols, where the field has been read already and is known to be the first of them."""
from bpfvm import bpf, pkt


@bpf.xdp
def f(ctx) -> int:
    if pkt.eth.type == 0x8100:
        return 3 + pkt.eth.is_vlan
    if pkt.eth.type == 0x88A8:
        return 5 + pkt.eth.is_vlan
    return 7 + pkt.eth.is_vlan


INPUTS = ((bytes(12) + b"\x81\x00",), (bytes(12) + b"\x88\xa8",), (bytes(14),), (bytes(3),))
