"""Addresses as text and as objects beside the numbers that packets hold."""

import ipaddress

# hook: xdp
from bpfvm import Hash, LpmTrie, ip4prefix, pkt, u32

BAD = ipaddress.ip_address("10.0.0.1")
denied = LpmTrie(ip4prefix, u32)
seen = Hash(u32, u32)


def program(ctx):
    if pkt.ip.src == "10.0.0.1":  #~ E022 is the str '10.0.0.1'
        return 1
    if pkt.ip.src == BAD:  #~ E022 is an object of type IPv4Address
        return 1
    if pkt.ip.src == "localhost":  #~ E022 is the str 'localhost'
        return 1
    if pkt.ip.src in denied:  #~ E020 key of `denied` must be `ip4prefix`
        return 1
    return 2
