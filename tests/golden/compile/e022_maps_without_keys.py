"""Queues, stacks and histograms, used as what they are not."""

from bpfvm.lang.maps import Hash, Histogram, Queue
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import s32, u8, u32, u64


@struct
class Job:
    id: u32


numbers = Queue(u32, 16)
jobs = Queue(Job, 16)
sizes = Histogram(12)
table = Hash(u32, u64)


def program(a: u32, b: s32) -> u64:  # hook: function
    numbers[0] = 1  #~ E022 `numbers` is Queue, which has no items
    n = numbers[0]  #~ E022 `numbers` is Queue, which has no items
    numbers[0] += 1  #~ E022 `numbers` is Queue, which has no items
    del numbers[0]  #~ E022 `numbers` is Queue, which has no items
    if 3 in numbers:  #~ E022 `numbers` is Queue, which has no items
        n += 1
    jobs.push(3)  #~ E020 the element must be `Job`
    numbers.push(Job())  #~ E020 the element must be `u32`
    numbers.push(a + 1)  #~ W115 `a + 1` may not fit u32
    numbers.push()  #~ E013 `numbers.push` takes 1 arguments
    numbers.pop(1)  #~ E013 `numbers.pop` takes 0 arguments
    sizes.add(b)  #~ E021 `b` may be negative
    sizes.add(Job())  #~ E022 `sizes.add` takes a number
    sizes.pop(1)  #~ E037 the map `sizes` has no attribute `pop`
    table.get()  #~ E013 `table.get` takes 1 to 2 arguments
    table.get(a, d=1)  #~ E013 `table.get` takes 1 to 2 arguments
    return numbers.pop() + 1  #~ E030 `numbers.pop()` may be None here
