"""Views and bytes of the packet from before a call that moves it."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, bpf, pkt


@bpf.func
def by_a_call():
    pkt.adjust_tail(-1)


def program(ctx):
    ip = pkt.ip
    first = pkt[0:4]
    pair = (1, ip.udp)
    if pkt.adjust_head(-20):
        return XDP_DROP
    if ip.ttl == 3:  #~ E034 `ip` is a packet view of `ip` as it lay before
        return XDP_DROP
    if first == b"abcd":  #~ E034 `first` is an array u8[4] as it lay before
        return XDP_DROP
    if pair[1].sport == 3:  #~ E034 `pair` is a tuple of 2 as it lay before
        return XDP_DROP
    ip = pkt.ip
    for i in range(3):
        if ip.ttl == i:  #~ E034 `ip` is a packet view of `ip` as it lay before
            return XDP_DROP
        pkt.adjust_tail(-1)
    first = pkt[0:4]
    by_a_call()
    if first[0]:  #~ E034 `first` is an array u8[4] as it lay before
        return XDP_DROP
    pkt.adjust_head()  #~ E013 adjust_head(delta) needs delta
    pkt.adjust_head(1, 2)  #~ E013 adjust_head(delta) takes no such arguments
    pkt.adjust_head(ctx)  #~ E022 `delta` of `pkt.adjust_head` is a number
    pkt.vlan_pop()  #~ E037 an xdp program has no `pkt.vlan_pop`
    return XDP_PASS
