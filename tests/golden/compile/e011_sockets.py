"""Maps of sockets and maps in maps: where they are not, and what may be None."""

from bpfvm import Array, ArrayOf, ProgArray, Ring, SockHash, SockMap, bpf, struct, u32, u64


@struct
class Event:
    pid: u32 = 0


socks = SockMap(4)
named = SockHash(u32, 4)
tables = ArrayOf(Array(u64, 4), 8)
progs = ProgArray(4)
events = Ring(Event)


def program(ctx):  # hook: xdp
    socks.redirect(1)  #~ E011 `socks.redirect` is for sk_skb and sk_msg programs
    named.select(1)  #~ E011 `named.select` is for sk_reuseport programs
    socks[1] = 5  #~ E022 `socks` takes the context of a sock_ops program
    tables.get(1)[2] = 3  #~ E030 `tables.get(1)` may be None here
    tables.get(1, 5)  #~ E022 is a map or None: there is no other default
    table = tables.get(2)
    table[1] += 1  #~ E030 `table` may be None here
    tables.pop(1)  #~ E037 the map `tables` has no attribute `pop`
    with bpf.rcu():
        progs.call(ctx, 1)  #~ E035 is still held where the program goes on in another one
    return 2
