"""Timers in programs whose maps cannot have them."""

# hook: kprobe
from bpfvm import Hash, Timer, struct, u32


@struct
class Value:
    timer: Timer
    total: u32


values = Hash(u32, Value, 4)


def tick(owner, key, value):
    value.total = 0


def program(ctx):
    value = values.setdefault(1, Value())
    value.timer.start(tick, after=3)  #~ E011 programs of type kprobe cannot use timers
    value.timer.cancel()  #~ E011 programs of type kprobe cannot use timers
