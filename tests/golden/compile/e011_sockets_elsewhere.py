"""Sockets of maps in programs that cannot release them, or delete them."""

from bpfvm import SockHash, u32

named = SockHash(u32, 4)


def program(ctx):  # hook: kprobe f
    s = named.get(1)  #~ E011 `named.get` is for programs that may release a socket
    if 1 in named:  #~ E011 `1 in named` is for programs that may release a socket
        del named[1]  #~ E011 `named[1]` is for programs that may delete sockets
    named[2] = ctx  #~ E011 `named[2]` is for sock_ops programs to store to
