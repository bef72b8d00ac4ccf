"""The packet is an object to import, like any other; a program of packets knows it nevertheless."""


def program(ctx):  # hook: xdp
    return pkt.ip.proto  #~ W101 `pkt` is not imported
