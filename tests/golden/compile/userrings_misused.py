"""Rings that user space writes: what programs do with them, and what functions they give."""

# hook: xdp
from bpfvm import Array, Ring, UserRing, bpf, struct, u8, u32, u64


@struct
class Job:
    id: u32


jobs = UserRing(Job)
messages = UserRing()
events = Ring(u64, 4096)
counts = Array(u64, 4)


def two(job, more):
    return job.id


def program(ctx):
    jobs.drain(5)  #~ E020 is int, and `jobs.drain` calls a function
    jobs.drain()  #~ E013 takes 1 to 2 arguments here
    jobs.drain(two)  #~ E013 two
    jobs.drain(lambda job: job)  #~ E024 returns a struct Job
    jobs.drain(lambda job: job.name)  #~ E037 name
    jobs.submit(Job())  #~ E037 has no attribute `submit`
    first = jobs[0]  #~ E022 jobs
    events.drain(two)  #~ E037 has no attribute `drain`
    bpf.helper.user_ringbuf_drain(counts, lambda message: 0)  #~ E020 is a map of type array, and programs drain those of user_ringbuf
    kept = None

    def body(message):
        nonlocal kept
        if kept is not None:  #~ E047 that an earlier turn of the loop made
            return 1
        kept = message.data(u8[4])
        return message.data(u8[4])[0]  #~ E030 may be None here

    messages.drain(body)

    def inside(message):
        message.data(u8[4])
        buffer = u8[4]()
        return bpf.helper.loop(3, lambda index: message.read(buffer))  #~ E063 is of a message, inside of another loop

    return messages.drain(inside)
