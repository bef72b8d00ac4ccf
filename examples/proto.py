"""Count packets by IPv4 protocol and let all of them pass.

bpfvm run examples/proto.py --packet traffic.pcap
"""

from bpfvm import XDP_PASS, Array, bpf, pkt, u64

hits = Array(u64, 256)


@bpf.xdp
def proto(ctx):
    hits[pkt.ip.proto] += 1  # a packet too short for the field ends the program with XDP_PASS
    return XDP_PASS
