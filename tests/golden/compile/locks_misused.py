"""Locks: what cannot stand in a block that holds one."""

# hook: tc
from bpfvm import Array, Hash, SpinLock, bpf, ktime, struct, u32, u64


@struct
class Account:
    lock: SpinLock
    total: u64


accounts = Array(Account, 4)
others = Hash(u32, Account, 16)


def program(skb):
    one = accounts[0]
    with bpf.lock(one.lock):  #~ E062 this holds a lock, and calls `ktime_get_ns`
        one.total = ktime()
    with bpf.lock(one.lock):  #~ E062 this holds a lock, and calls
        accounts[1].total = 4
    with bpf.lock(one.lock):
        with bpf.lock(one.lock):  #~ E062 a second lock cannot be taken while one is held
            one.total = 3
    with bpf.lock(one.total):  #~ E020 `one.total` is u64, and a lock is a SpinLock
        one.total = 3
    with bpf.lock(others.get(1).lock):  #~ E030 may be None here
        one.total = 3
    return 0
