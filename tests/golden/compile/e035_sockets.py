"""Sockets of maps that are not given back, or twice, and what programs cannot do with them."""

from bpfvm import SockHash, SockMap, bpf, u32

socks = SockMap(4)
named = SockHash(u32, 4)


def program(skb):  # hook: tc
    s = socks.get(1)
    s.release()  #~ E030 `s` may be None here
    if s is not None:
        s.release()
        skb.mark = s.state  #~ E036 the socket `s` was released before
    a = socks[1]
    a.release()
    a.release()  #~ E036 the socket `a` was released before
    b = socks.get(2)  #~ E035 is held on some of the ways
    if b is not None and skb.mark:
        b.release()
    c = named[3]  #~ E035 is still held where `program` ends
    if skb.len == 3:
        return 1
    for at in range(3):
        d = named[at]  #~ E035 is still held when the loop goes on
    socks[1] = skb  #~ E011 `socks[1]` is for sock_ops programs to store to
    socks[1] = 5  #~ E022 takes the context of a sock_ops program
    socks[1] += 1  #~ E022 `socks` is SockMap, which has no items
    socks["a"] = skb  #~ E011 `socks["a"]` is for sock_ops programs to store to
    bpf.helper.sk_assign(skb, 5, 0)  #~ E063 `5` is int
    bpf.helper.sk_assign(skb, skb.sk, 0)  #~ E030 `skb.sk` may be None here
    skb.sk.release()  #~ E030 `skb.sk` may be None here
    named[6] = socks[2]  #~ E063 is a socket, which cannot be stored in `named` in this version #~ E035 is still held
    named[7] = skb.sk  #~ E063 `skb.sk` is a socket, which
    tuple = bytes(12)
    bpf.helper.sk_lookup_tcp(skb, tuple, 12, -1, 0)  #~ E063 gives an address, a struct bpf_sock *
    e = socks["b"]  #~ E020 key of `socks` must be `u32`
    return socks.pop(1)  #~ E037 the map `socks` has no attribute `pop`
