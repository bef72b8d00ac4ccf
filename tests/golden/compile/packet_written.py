"""What nothing is stored to, and what a store may cut."""

# hook: xdp
from bpfvm import XDP_TX, pkt


def program(ctx):
    pkt.ip.ttl -= 1  #~ W115 may not fit u8
    pkt.ip.tos = 300  #~ W115 may not fit u8
    pkt.ip = 3  #~ E022 `pkt.ip` is no field
    pkt.ip.ttll = 3  #~ E037 has no layer or field `ttll`
    pkt.eth.dst += 1  #~ E022 `pkt.eth.dst` is u8[6], no number
    pkt.eth.dst = 5  #~ E020 field `dst` of eth must be `u8[6]`
    pkt[0:2] += 1  #~ E022 `pkt[0:2]` is bytes, no number
    return XDP_TX
