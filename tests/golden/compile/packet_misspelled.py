"""Names of other libraries for the same fields."""

# hook: xdp
from bpfvm import pkt


def program(ctx):
    return pkt.ip.protocol + pkt.eth.typ + pkt.ipv4.src  #~ E037 `pkt.ip` has no layer or field `protocol` #~ E037 `pkt.eth` has no layer or field `typ` #~ E037 `pkt` has no layer or field `ipv4`
