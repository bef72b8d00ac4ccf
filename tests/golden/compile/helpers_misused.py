"""Helpers with wrong arguments, for the wrong programs, and some whose results are not followed."""

# hook: socket
from bpfvm import Array, bpf, comm, ktime, u8, u64

cells = Array(u64, 4)
no = bpf.helper


def program(skb):
    buffer = u8[4]()
    bpf.helper.skb_load_bytes(skb, 0)  #~ E013 takes skb, offset, to, len, and got 2 arguments
    bpf.helper.skb_load_bytes(skb, 0, buffer, len=4)  #~ E013 and got 4 arguments
    bpf.helper.skb_load_bytes(skb, 0, buffer, 5)  #~ E021 `5` is 5, and the memory before it has 4 bytes
    bpf.helper.skb_load_bytes(buffer, 0, buffer)  #~ E020 `skb` of bpf_skb_load_bytes#26 is the program's context
    bpf.helper.skb_load_bytes(skb, None, buffer)
    bpf.helper.skb_load_bytes(skb, buffer[0], skb.len)  #~ E020 `to` of bpf_skb_load_bytes#26 is memory, which is written
    bpf.helper.skb_store_bytes(skb, 0, buffer, 0)  #~ E011 is not for programs of type socket_filter
    bpf.helper.copy_from_user(buffer, 0)  #~ E011 may sleep, and this program may not
    bpf.helper.map_lookup_elem(cells, 1)[0]  #~ E030 may be None here
    bpf.helper.sk_fullsock(None)  #~ E063 gives an address, a struct bpf_sock *
    bpf.helper.loop(4, program, None, 0)  #~ E061 `program` is called while it runs
    bpf.helper.get_prandom(1)  #~ E037 has no attribute `get_prandom`
    bpf.kfunc.bpf_dynptr_from_xdp(skb, 0, buffer)  #~ E011 is not for programs of type socket_filter
    comm(buffer)  #~ E013 takes no arguments
    return ktime(1)  #~ E013 takes no arguments
