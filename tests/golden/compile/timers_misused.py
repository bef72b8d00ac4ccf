"""Timers: where there is none, what they call, when they fire."""

# hook: xdp
import functools

from bpfvm import Array, ArrayOf, Hash, Timer, bpf, pkt, struct, u32, u64


@struct
class Value:
    timer: Timer
    total: u64


values = Hash(u32, Value, 4)
others = Hash(u32, Value, 4)
tables = ArrayOf(Array(Value, 4), 2)
state = bpf.data(Value)


def tick(owner, key, value):
    value.total = key


def short(owner, key):
    return


def counted(owner, key, value):  #~ E024 `counted` returns int, and what a timer calls returns nothing
    return key


def wrong(owner, key, value):  #~ E063 `wrong` uses the packet or the context, and a timer calls it
    value.total = pkt.eth.type


def program(ctx):
    value = values.setdefault(1, Value())
    value.timer.start(tick)  #~ E013 takes a function and the time until it is called
    value.timer.start(tick, before=3)  #~ E013 takes a function and the time until it is called
    value.timer.start(short, after=3)  #~ E013 a timer calls `short` with map, key, value
    value.timer.start(lambda m, k, v: None, after=3)  #~ E020 is a lambda, and a timer calls a function of the module
    value.timer.start(7, after=3)  #~ E020 `7` is int, and a timer calls a function of the module
    value.timer.start(functools.partial(tick, 1), after=3)  #~ E063 is not available in this version
    value.timer.start(tick, after=-3)  #~ E021 `-3` may be below 0, and nothing fires in the past
    value.timer.start(tick, after=tick)  #~ E020 and `after` is a number of nanoseconds
    value.timer.start(counted, after=3)
    value.timer.start(wrong, after=3)
    value.timer.cancel(1)  #~ E013 takes no arguments
    value.timer.stop()  #~ E037 a timer has no `stop`
    value.timer.opaque[0] = 1  #~ E031 this is a bpf_timer, which is the kernel's own
    Value().timer.start(tick, after=3)  #~ E020 is no part of a map, and a timer fires
    state.timer.start(tick, after=3)  #~ E020 it is not known in which map `state.timer` stands
    tables[0][1].timer.start(tick, after=3)  #~ E063 stands in a map that was found in another one
    one = value if ctx.rx_queue_index else others.setdefault(1, Value())
    one.timer.start(tick, after=3)  #~ E020 it is not known in which map `one.timer` stands
    values.get(3).timer.cancel()  #~ E030 may be None here
    return 0
