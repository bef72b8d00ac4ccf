"""Where CPUs spend their time, by sampled stacks: -f as folded lines, --flame FILE as a flame graph, -p of a process.

bpfvm trace examples/cpu_profile.py --flame cpu.svg 10
"""

import argparse

from bpfvm import Counter, StackTrace, bpf, char, comm, pid, s32, struct, u32

ap = argparse.ArgumentParser()
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-F", "--frequency", type=int, default=49, help="samples a second")
ap.add_argument("-f", "--folded", action="store_true")
ap.add_argument("--flame", metavar="FILE.svg")
ap.add_argument("duration", nargs="?", type=int, default=99999999)
args = ap.parse_args()


@struct
class Key:
    pid: u32
    user: s32
    kernel: s32
    name: char[16]


counts = Counter(Key)
stacks = StackTrace(16384)


@bpf.perf_event("cpu-clock")
def sample(ctx):
    who = pid()
    if not who:  # the CPU is idle
        return
    counts[Key(pid=who, user=s32(stacks.id(user=True)), kernel=s32(stacks.id()), name=comm())] += 1


if __name__ == "__main__":
    with bpf.attach(sample, frequency=args.frequency, pid=args.pid):
        bpf.wait(args.duration)

    found = [
        (k, stacks.frames(k.kernel) + stacks.frames(k.user, pid=k.pid), count)
        for k, count in reversed(counts.most_common())
    ]
    folded = bpf.folded(([k.name.decode(), *reversed(frames)], count) for k, frames, count in found)
    if args.flame:
        bpf.flame_graph(args.flame, folded, "Time on the CPU")
    elif args.folded:
        for line, count in folded.items():
            print(line, count)
    else:
        for k, frames, count in found:
            lines = [*frames, f"{'-':16} {k.name.decode()} ({k.pid})", f"    {count}"]
            print(*(f"    {line}" for line in lines), "", sep="\n")
