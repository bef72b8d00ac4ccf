"""Locks and timers in values of maps: no program loads or stores them."""

# hook: tc
from bpfvm import Array, Hash, SpinLock, Timer, struct, u32, u64


@struct
class Value:
    timer: Timer
    total: u64


@struct
class Account:
    lock: SpinLock
    total: u64


values = Hash(u32, Value, 4)
accounts = Array(Account, 4)


def program(skb):
    accounts[1] = Account(total=3)
    value = values.setdefault(1, Value(total=4))
    copy = value.copy()  #~ E031 this Value has a bpf_timer, which is the kernel's own
    taken = values.pop(1)  #~ E031 this Value has a bpf_timer, which is the kernel's own
    values[2] = value  #~ E031 this Value has a bpf_timer, which is the kernel's own
    accounts[2] = accounts[1]  #~ E031 this Account has a bpf_spin_lock, which is the kernel's own
    if accounts[1] == accounts[2]:  #~ E031 this Account has a bpf_spin_lock, which is the kernel's own
        return 1
    accounts[1].lock = accounts[2].lock  #~ E031 this is a bpf_spin_lock, which is the kernel's own
    accounts[1].lock.val = 1  #~ E031 this is a bpf_spin_lock, which is the kernel's own
    return accounts[1].lock.val  #~ E031 this is a bpf_spin_lock, which is the kernel's own
