"""The packet is an object to import, like any other."""


def program(ctx):  # hook: xdp
    return pkt.ip.proto  #~ E010 `pkt` is not defined
