"""Fields of another context, addresses, and a field that is written."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS


def program(ctx):
    if ctx.len > 60:  #~ E037 the context xdp_md has no field `len`
        return XDP_DROP
    if ctx.data_end - ctx.data > 60:  #~ E037 `data_end` of xdp_md is an address, and #~ E037 `data` of xdp_md is an address, and programs
        return XDP_DROP
    ctx.rx_queue_index = 3  #~ E031 xdp programs may not write `rx_queue_index`
    return XDP_PASS
