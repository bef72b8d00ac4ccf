"""Names that stand beside `bpf`, not in it."""

from bpfvm import bpf


def program(ctx) -> int:  # hook: xdp
    if ctx.rx_queue_index > 3:
        return bpf.XDP_DROP  #~ E037 has no attribute `XDP_DROP`
    return bpf.XDP_PAS  #~ E037 has no attribute `XDP_PAS`
