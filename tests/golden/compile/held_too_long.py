"""Sections that are begun and ended by the names of kernel functions, not on every way."""

from bpfvm import bpf, u8, u64


def program(a: u8) -> u64:
    bpf.kfunc.rcu_read_lock()  #~ E035 is still held where `program` ends
    if a == 1:
        return 1
    if a == 2:
        bpf.kfunc.preempt_disable()  #~ E035 is held on some of the ways that meet behind it, and not on others
    for i in range(a):
        bpf.kfunc.preempt_disable()  #~ E035 is still held when the loop goes on
    bpf.kfunc.rcu_read_unlock()
    bpf.kfunc.rcu_read_unlock()  #~ E036 ends what `bpf_rcu_read_lock` begins, and nothing has begun it here
    return 0
