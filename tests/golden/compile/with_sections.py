"""What `with` cannot hold."""

from bpfvm import bpf, u8, u64

COUNT = 3


@bpf.func
def read(a: u8) -> u64:
    with bpf.rcu():
        return u64(a)


def program(a: u8) -> u64:
    with bpf.rcu(1):  #~ E013 takes no arguments
        pass
    with bpf.rcu:  #~ E062 holds nothing that a BPF program knows
        pass
    with open("x"):  #~ E062 holds nothing that a BPF program knows
        pass
    with bpf.no_preempt() as held:  #~ E062 gives nothing for `as`
        pass
    with bpf.lock():  #~ E013 takes one lock
        pass
    with bpf.lock(a):  #~ E020 `a` is int, and a lock is a SpinLock
        pass
    with COUNT, bpf.lock(u8[4]()):  #~ E062 holds nothing #~ E020 is an array u8[4], and a lock
        pass
    with bpf.rcu():
        with bpf.rcu():  #~ E062 cannot stand inside of another one
            a += 1
        read(4)  #~ E062 cannot stand inside of another one
    return 1
