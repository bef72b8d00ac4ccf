"""Calls of other programs: by an array of them, with the context, and with nothing else."""

from bpfvm import Array, ProgArray, bpf, u64

progs = ProgArray(4)
hits = Array(u64, 4)


def program(ctx):  # hook: xdp
    progs[1]()  #~ E013 `progs[1]` takes the context
    progs[1](5)  #~ E022 takes the context first
    progs[-1](ctx)  #~ E021 the index of a program is one from 0
    bpf.tail_call(progs)  #~ E013 `bpf.tail_call` takes a ProgArray and an index
    bpf.tail_call(hits, 1)  #~ E022 `hits` is Array, in which no programs stand
    progs[1] = 5  #~ E022 `progs` is ProgArray, which has no items
    return 2
