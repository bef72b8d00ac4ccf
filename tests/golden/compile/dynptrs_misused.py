"""Dynptrs: of what they are, what they copy, and that records are given back once."""

# hook: xdp
from bpfvm import Array, Hash, PerfEvents, Ring, Timer, bpf, struct, u8, u32, u64


@struct
class Value:
    data: u8[64]
    timer: Timer


values = Array(Value, 4)
counts = Hash(u32, u64, 4)
events = Ring(u64, 4096)
samples = PerfEvents(u64)


def program(ctx):
    buffer = u8[16]()
    bpf.dynptr(buffer)  #~ E020 is an array u8[16], and a dynptr is of memory in a map's value
    bpf.dynptr(counts[1])  #~ E020 is u64, and a dynptr is of memory in a map's value
    bpf.dynptr(values[1])  #~ E031 this Value has a bpf_timer, which is the kernel's own
    bpf.dynptr()  #~ E013 takes memory of a map's value
    d = bpf.dynptr(values[1].data)
    d.read(buffer, -1)  #~ E021 is -1, and sizes and places have 32 bits
    d.read(buffer, buffer)  #~ E020 is an array u8[16], and sizes and places are numbers
    d.read(b"abc")  #~ E020 is the bytes b'abc'; a dynptr reads and writes
    d.read()  #~ E013 takes memory to fill, and where they begin
    d.write(buffer, 1, 2)  #~ E013 takes bytes, and where they begin
    d.write(5)  #~ E020 is int; a dynptr reads and writes
    d.data(5)  #~ E013 takes a struct or an array type, and where it begins
    d.data(u8[4], -1)  #~ E021 is -1, and sizes and places have 32 bits
    d.data(u8[4])[0] = 1  #~ E030 may be None here
    part = d.data(u8[4], 2)
    if part is not None:
        bpf.dynptr(part)  #~ E020 is an array u8[4], and a dynptr is of memory in a map's value
    bpf.helper.dynptr_data(d, 0, 8)[1] = 2  #~ E030 may be None here
    bpf.helper.dynptr_data(d, 0, d.read(buffer))  #~ E020 is int, and the length is a constant
    bpf.helper.dynptr_write(buffer, 0, buffer, 16, 0)  #~ E020 is an array u8[16]; `dst` of bpf_dynptr_write#202 is a dynptr
    d.submit()  #~ E037 a dynptr has no `submit`
    samples.reserve_dynptr(8)  #~ E037 has no attribute `reserve_dynptr`
    e = events.reserve_dynptr(8)
    e.submit(1)  #~ E013 takes no arguments
    start = e.data(u64[1])
    if start is None:
        e.discard()
        return 1
    e.submit()
    start[0] = 1  #~ E036 was submitted or discarded before
    e.write(buffer)  #~ E036 was submitted or discarded before
    e.discard()  #~ E036 was submitted or discarded before
    g = events.reserve_dynptr(8)  #~ E035 is still held where `program` ends
    g.read(buffer)
    return 0
