"""Names that come with bpfvm and were not imported."""

# hook: xdp


def program(ctx):
    if pkt.ip.proto == 17:  #~ W101 `pkt` is not imported
        return XDP_DROP  #~ E010 `XDP_DROP` is not defined
    return XDP_PAS  #~ E010 `XDP_PAS` is not defined
