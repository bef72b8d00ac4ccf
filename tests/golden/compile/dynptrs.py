"""Helpers on dynptrs, and those that pass a function what this version does not follow: what to write instead."""

# hook: tc
from bpfvm import Array, Ring, bpf, current, struct, u8, u32, u64


@struct
class Value:
    data: u8[64]


values = Array(Value, 4)
events = Ring(u64, 4096)


def program(ctx):
    place = u64[2]()
    bpf.helper.dynptr_from_mem(values[0], 64, 0, place)  #~ E063 is a dynptr, which is made, which this version cannot give
    bpf.helper.ringbuf_reserve_dynptr(events, 64, 0, place)  #~ E063 which this version cannot give
    bpf.helper.dynptr_read(values[0], 64, place, 0, 0)  #~ E020 is a dynptr
    bpf.helper.ringbuf_submit_dynptr(place, 0)  #~ E020 is a dynptr whose ring buffer record
    bpf.helper.find_vma(current(), 5, lambda task, vma: 0)  #~ E063 passes a function what this version does not follow
    return 0
