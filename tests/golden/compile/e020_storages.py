"""Storage of the kernel's objects: what is no object of theirs, or may be none."""

from bpfvm import InodeStorage, SkStorage, TaskStorage, u64

times = TaskStorage(u64, default=0)
marks = SkStorage(u64)
inodes = InodeStorage(u64)


def program(skb):  # hook: tc
    times[skb.ifindex] += 1  #~ E020 a key of `times` is current() or another task_struct
    marks[skb.sk] = 1  #~ E030 `skb.sk` may be None here
    sk = skb.sk
    marks.setdefault(sk, 1)  #~ E030 `sk` may be None here
    if sk is not None:
        marks["sk"] = 1  #~ E020 a key of `marks` is a socket, such as skb.sk
        inodes[sk] = 1  #~ E011 InodeStorage is not for programs of type sched_cls
        marks[sk] += 1  #~ E032 `marks[sk] += 1` needs the key to exist already
    return len(times)  #~ E033 `len(times)` is not how many
