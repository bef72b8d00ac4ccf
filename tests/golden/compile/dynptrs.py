"""Helpers on dynptrs, and one that passes a function objects of the kernel: what they do not take."""

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
    bpf.helper.find_vma(place, 5, lambda task, vma: 0)  #~ E020 is an array u64[2]; `task` of bpf_find_vma#180
    bpf.helper.find_vma(current(), 5, lambda task: 0)  #~ E013 takes 1 arguments by their places, and got 2
    bpf.helper.find_vma(current(), 5, lambda task, vma: vma.start)  #~ E037 start
    return 0
