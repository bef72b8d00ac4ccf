"""Addresses as text and as objects beside the numbers that packets hold."""

import ipaddress

# hook: xdp
from bpfvm import Counter, Hash, LpmTrie, be32, ip4prefix, pkt, struct, u32

BAD = ipaddress.ip_address("10.0.0.1")
denied = LpmTrie(ip4prefix, u32)
seen = Hash(u32, u32)
hosts = Counter(be32)


@struct
class End:
    address: be32


def program(ctx):
    if pkt.ip.src == "10.0.0.1":  #~ E022 is the str '10.0.0.1'
        return 1
    if pkt.ip.src == BAD:  #~ E022 is an object of type IPv4Address
        return 1
    if pkt.ip.src == "localhost":  #~ E022 is the str 'localhost'
        return 1
    if pkt.ip.src in denied:  #~ E020 key of `denied` must be `ip4prefix`
        return 1
    if "10.0.0.1" in hosts:  #~ E020 key of `hosts` must be `be32`
        return 1
    hosts[BAD] += 1  #~ E020 key of `hosts` must be `be32`
    end = End(address="10.0.0.1")  #~ E020 field `address` of End must be `be32`
    end.address = BAD  #~ E020 field `address` of End must be `be32`
    return 2
