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
    bpf.helper.dynptr_from_mem(values[0], 64, 0, place)  #~ E013 takes memory of a map's value, its size and flags, and gives the dynptr
    bpf.helper.dynptr_from_mem(values[0], 65)  #~ E021 is 65, and the memory has 64 bytes
    bpf.helper.dynptr_from_mem(place, 8)  #~ E020 is an array u64[2], and a dynptr is of memory in a map's value
    bpf.helper.ringbuf_reserve_dynptr(events, 64, 0, place)  #~ E013 takes a ring, a size and flags, and gives the dynptr
    bpf.helper.ringbuf_reserve_dynptr(values, 64)  #~ E020 is the map `values`, and records are of rings
    bpf.helper.dynptr_read(values[0], 64, place, 0, 0)  #~ E020 is a dynptr
    bpf.helper.ringbuf_submit_dynptr(place, 0)  #~ E020 is a dynptr whose ring buffer record
    bpf.helper.find_vma(place, 5, lambda task, vma: 0)  #~ E020 is an array u64[2]; `task` of bpf_find_vma#180
    bpf.helper.find_vma(current(), 5, lambda task: 0)  #~ E013 takes 1 arguments by their places, and got 2
    bpf.helper.find_vma(current(), 5, lambda task, vma: vma.start)  #~ E037 start
    return 0
