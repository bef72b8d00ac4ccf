"""A lock in a program that cannot hold one."""

# hook: socket
from bpfvm import Array, SpinLock, bpf, struct, u64


@struct
class Account:
    lock: SpinLock
    total: u64


accounts = Array(Account, 4)


def program(skb):
    one = accounts[0]
    with bpf.lock(one.lock):  #~ E011 programs of type socket_filter cannot hold a lock
        one.total = 3
    return 0
