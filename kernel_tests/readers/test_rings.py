"""Ring buffers and perf event arrays: the same programs on every machine give the same results and the same records."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest

from bpfvm.core.errors import LoadError, UsageError, VerifierReject
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import slots
from bpfvm.kernel import KERNEL
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import STATIC, Func, FuncProto, Int
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec

ENGINES = ("interp", "portable", "kernel")
PAGE = 4096

# Run by words of the context: operation, size, flags; r0 goes to ctx+24. Records are cut from the array's value.
RING = """
r6 = r1
r7 = *(u64 *)(r6 +0)
r8 = *(u64 *)(r6 +8)
r9 = *(u64 *)(r6 +16)
if r7 == 1 goto reserve
if r7 == 2 goto query
*(u64 *)(r10 -8) = 0
r1 = map[data]
r2 = r10
r2 += -8
call 1
if r0 == 0 goto none
r2 = r0
r1 = map[ring]
r3 = r8
if r3 > 9000 goto none
r4 = r9
call 130
goto out
query: r1 = map[ring]
r2 = r9
call 134
goto out
reserve: r1 = map[ring]
r2 = 40
r3 = r9
call 131
if r0 == 0 goto out
r1 = r0
*(u64 *)(r1 +0) = r8
*(u64 *)(r1 +8) = r8
*(u64 *)(r1 +16) = r8
*(u64 *)(r1 +24) = r8
*(u64 *)(r1 +32) = r8
r2 = 0
if r8 s> 0 goto submit
call 133
r0 = 2
goto out
submit: call 132
r0 = 1
goto out
none: r0 = -1
out: *(u64 *)(r6 +24) = r0
r0 = 0
exit
"""
OUTPUT, RESERVE, QUERY = range(3)
DATA = bytes(range(256)) * 36

# Run by words of the first entry: size and flags of a sample, result into the third.
SAMPLE = """
r6 = r1
*(u64 *)(r10 -8) = 0
r1 = map[data]
r2 = r10
r2 += -8
call 1
if r0 == 0 goto out
r7 = r0
r5 = *(u64 *)(r7 +0)
r3 = *(u64 *)(r7 +8)
if r5 > 66000 goto out
r4 = r7
r4 += 24
r1 = r6
r2 = map[events]
call 25
*(u64 *)(r7 +16) = r0
out: r0 = 1
exit
"""


def ring_object(size: int = PAGE) -> ObjectSpec:
    maps = {"ring": MapSpec("ring", "ringbuf", 0, 0, size), "data": MapSpec("data", "array", 4, len(DATA), 1)}
    return ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(RING)))}, maps)


def load(spec: ObjectSpec, engine: str, maps: dict[str, Entries] | None = None) -> closing[Any]:
    """The program p on one machine, which has as many CPUs as the kernel."""
    if engine == "kernel":
        return closing(KERNEL.load(spec, "p", maps or {}))
    return closing(Emulator(engine, cpus=possible_cpus()).load(spec, "p", maps or {}))


def on_cpu(cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})


@pytest.fixture(autouse=True)
def first_cpu() -> Iterator[None]:
    """Runs are on the CPU that inputs name, which the kernel learns from the process."""
    before = os.sched_getaffinity(0)
    on_cpu(0)
    yield
    os.sched_setaffinity(0, before)


def ring_calls(seed: int, count: int) -> list[tuple[int, int, int]]:
    """Sizes around what a page holds, flags good and bad."""
    chance = random.Random(seed)
    flags = (0, 0, 0, 1, 2, 3, 4, 1 << 32)
    sizes = (*range(20), 100, 1000, 4000, 4072, 4079, 4080, 4081, 4087, 4088, 4089, 5000, 8999)
    calls = []
    for _ in range(count):
        operation = chance.choice((OUTPUT, OUTPUT, RESERVE, QUERY))
        if operation == OUTPUT:
            calls.append((operation, chance.choice(sizes), chance.choice(flags)))
        elif operation == RESERVE:
            calls.append((operation, chance.randrange(-3, 4) & (1 << 64) - 1, chance.choice((0, 0, 0, 1))))
        else:
            calls.append((operation, 0, chance.randrange(6)))
    return calls


def ring_answers(
    engine: str, calls: Sequence[tuple[int, int, int]]
) -> list[tuple[bytes, Mapping[str, tuple[bytes, ...]]]]:
    answers = []
    with load(ring_object(), engine, {"data": [(bytes(4), DATA)]}) as loaded:
        for call in calls:
            result = loaded.run(Input(ctx=b"".join(word.to_bytes(8, "little") for word in (*call, 0))))
            assert result.fault is None, result.fault
            answers.append((result.ctx[24:], result.events))
    return answers


def test_ring_buffers_answer_as_the_kernel_does() -> None:
    calls = ring_calls(1, 900)
    kernel = ring_answers("kernel", calls)
    for engine in ("interp", "portable"):
        for at, (mine, theirs) in enumerate(zip(ring_answers(engine, calls), kernel, strict=True)):
            assert mine == theirs, f"{engine}, call {at} {calls[at]}: {mine}, kernel {theirs}"
    records = sum(len(events["ring"]) for _, events in kernel if events)
    full = sum(int.from_bytes(word, "little", signed=True) == -11 for word, _ in kernel)
    print(f"{len(calls)} calls on 3 machines, {records} records, {full} without room")
    assert records >= 300
    assert full >= 20


def filling(steps: Sequence[tuple[str, int]]) -> ObjectSpec:
    """A program that outputs and reserves in one run, with all records reserved before any is given back."""
    text, reserved, at = "r6 = r1\nr9 = 0\n", [], 0
    for index, (what, size) in enumerate(steps):
        if what == "output":
            text += "r1 = map[data]\nr2 = r10\nr2 += -8\n*(u64 *)(r10 -8) = 0\ncall 1\nif r0 == 0 goto end\n"
            text += f"r2 = r0\nr1 = map[ring]\nr3 = {size}\nr4 = 0\ncall 130\n*(u64 *)(r6 +{8 * index}) = r0\n"
            continue
        text += f"r1 = map[ring]\nr2 = {size}\nr3 = 0\ncall 131\n*(u64 *)(r10 -{16 + 8 * at}) = r0\n"
        text += f"r1 = 0\nif r0 == 0 goto no{index}\n*(u64 *)(r0 +0) = {index}\nr1 = 1\n"
        text += f"no{index}: *(u64 *)(r6 +{8 * index}) = r1\n"
        reserved.append((what, 16 + 8 * at))
        at += 1
    for index, (what, place) in enumerate(reserved):
        text += f"r1 = *(u64 *)(r10 -{place})\nif r1 == 0 goto gone{index}\nr2 = 0\n"
        text += f"call {132 if what == 'submit' else 133}\ngone{index}: r9 = 0\n"
    text += "end: r0 = 0\nexit\n"
    spec = ring_object()
    return ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, dict(spec.maps))


# one run each: what is reserved stays so until the end
RUNS = (
    [("submit", 8)],
    [("discard", 8)],
    [("submit", 8), ("discard", 16), ("submit", 24)],
    [("submit", 4080)],
    [("submit", 4088)],
    [("submit", 4081)],
    [("submit", 2000), ("submit", 2000), ("submit", 2000)],
    [("submit", 2000), ("discard", 2064), ("submit", 8)],
    [("discard", 1000), ("submit", 1000), ("discard", 1000), ("submit", 1000), ("submit", 1000)],
)


def test_records_that_are_reserved_take_room_and_keep_their_order() -> None:
    compared = 0
    for steps in RUNS:
        given = Input(ctx=bytes(64))
        answers = {}
        for engine in ENGINES:
            with load(filling(steps), engine) as loaded:
                results: list[Result] = [loaded.run(given) for _ in range(5)]  # the ring runs over its end
            answers[engine] = [
                (one.fault, one.ctx, {k: [r[:8] for r in v] for k, v in one.events.items()}) for one in results
            ]
            compared += len(results)
        assert answers["interp"] == answers["portable"] == answers["kernel"], steps
    print(f"{compared} runs of {len(RUNS)} programs on 3 machines")
    assert compared >= 135


def test_what_is_given_back_late_or_never() -> None:
    """The kernel's verifier refuses what is a fault here."""
    never = "r1 = map[ring]\nr2 = 8\nr3 = 0\ncall 131\nr0 = 0\nexit\n"
    after = "r1 = map[ring]\nr2 = 8\nr3 = 0\ncall 131\nr6 = r0\nif r0 == 0 goto end\nr1 = r0\nr2 = 0\ncall 132\n"
    used = after + "*(u64 *)(r6 +0) = 1\nend: r0 = 0\nexit\n"
    twice = after + "r1 = r6\nr2 = 0\ncall 132\nend: r0 = 0\nexit\n"
    inside = after.replace("r1 = r0\n", "r1 = r0\nr1 += 4\n") + "end: r0 = 0\nexit\n"
    words = {never: "still owns a record of 8 bytes of ring buffer ring", used: "ring record+0, which was submitted",
             twice: "which was submitted", inside: "must be the start of a record"}  # fmt: skip
    for text, wanted in words.items():
        spec = ring_object()
        spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, dict(spec.maps))
        with pytest.raises(VerifierReject):
            KERNEL.load(spec, "p", {})
        with load(spec, "interp") as loaded:
            fault = loaded.run(Input()).fault
        assert fault is not None
        assert wanted in fault.message
    print(f"{len(words)} programs refused by both")


def sample_object(kind: str, entries: int) -> ObjectSpec:
    maps = {
        "events": MapSpec("events", "perf_event_array", 4, 4, entries),
        "data": MapSpec("data", "array", 4, 24 + 66000, 1),
    }
    return ObjectSpec({"p": ProgramSpec("p", kind, kind, tuple(assemble(SAMPLE)))}, maps, license="GPL")


KINDS = ("xdp", "sched_cls", "socket_filter", "cgroup_skb")
HERE = 0xFFFF_FFFF
SAMPLES = [
    *((size, HERE) for size in (*range(22), 1000, 60000, 65508, 65509, 65516, 65517, 65520)),
    *((8, index) for index in range(5)),
    *((8, HERE | length << 32) for length in (1, 3, 5, 14, 63, 64, 65, 4000, (1 << 20) - 1)),
    *((8, flags) for flags in (1 << 52, 1 << 52 | HERE, 1 << 63, HERE | 1 << 62)),
]  # fmt: skip


def sample_answers(
    engine: str, kind: str, entries: int, cpu: int
) -> list[tuple[bytes, Mapping[str, tuple[bytes, ...]]]]:
    answers = []
    frame = bytes.fromhex("0200000000010200000000020800") + b"\x45" + bytes(range(49))
    packet = frame[14:] if kind == "cgroup_skb" else frame
    with load(sample_object(kind, entries), engine) as loaded:
        for size, flags in SAMPLES:
            words = size.to_bytes(8, "little") + flags.to_bytes(8, "little")
            loaded.write_map("data", [(bytes(4), (words + bytes(8) + DATA * 8).ljust(66024, b"#")[:66024])])
            result = loaded.run(Input(packet=packet, cpu=cpu))
            assert result.fault is None, result.fault
            ((_, value),) = loaded.read_map("data")
            answers.append((value[16:24], result.events))
    return answers


def test_perf_samples_are_those_of_the_kernel() -> None:
    compared, packets = 0, 0
    for kind in KINDS:
        for entries, cpu in ((possible_cpus(), 0), (possible_cpus() + 2, possible_cpus() - 1), (1, 0)):
            on_cpu(cpu)
            kernel = sample_answers("kernel", kind, entries, cpu)
            for engine in ("interp", "portable"):
                for at, (mine, theirs) in enumerate(
                    zip(sample_answers(engine, kind, entries, cpu), kernel, strict=True)
                ):
                    assert mine == theirs, f"{engine} {kind} {SAMPLES[at]}: {mine}, kernel {theirs}"
                    compared += 1
                    packets += bool(SAMPLES[at][1] >> 32)
    print(f"{compared} calls compared, {packets} of them with a packet's bytes or bad flags")
    assert compared >= 1000


def test_a_full_perf_buffer_loses_and_says_so() -> None:
    """Six samples of 60000 bytes where four have room, then small ones: results, samples and the count of the lost."""
    text = "r6 = r1\nr1 = map[data]\nr2 = r10\nr2 += -8\n*(u64 *)(r10 -8) = 0\ncall 1\nif r0 == 0 goto out\nr7 = r0\n"
    for at, size in enumerate((60000,) * 6 + (8, 21000, 8, 900, 60000, 8)):
        text += f"r1 = r6\nr2 = map[events]\nr3 = {HERE} ll\nr4 = r7\nr4 += 200\nr5 = {size}\ncall 25\n"
        text += f"*(u64 *)(r7 +{8 * at}) = r0\n"
    spec = sample_object("xdp", possible_cpus())
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text + "out: r0 = 1\nexit\n")))
    spec = ObjectSpec({"p": program}, dict(spec.maps), license="GPL")
    answers = {}
    for engine in ENGINES:
        with load(spec, engine) as loaded:
            results = [loaded.run(Input(packet=bytes(64))) for _ in range(2)]
            answers[engine] = [(one.events, one.lost) for one in results], loaded.read_map("data")
    assert answers["interp"] == answers["portable"] == answers["kernel"]
    (events, lost), _ = answers["kernel"][0]
    print(f"{len(events['events'])} samples, {lost['events']} lost, on 3 machines")
    assert lost["events"] >= 3
    assert len(events["events"]) + lost["events"] == 12


DRAIN = """
r6 = r1
*(u64 *)(r10 -8) = r6
*(u64 *)(r10 -16) = 0
r1 = map[messages]
r2 = func each
r3 = r10
r3 += -16
r4 = *(u64 *)(r6 +0)
call 209
*(u64 *)(r6 +8) = r0
r1 = *(u64 *)(r10 -16)
*(u64 *)(r6 +16) = r1
r0 = 0
exit
each: r6 = r2
*(u64 *)(r10 -8) = 0
r3 = r1
r1 = r10
r1 += -8
r2 = 8
r4 = 0
r5 = 0
call 201
r1 = *(u64 *)(r6 +0)
r1 *= 31
r2 = *(u64 *)(r10 -8)
r1 += r2
r1 += r0
*(u64 *)(r6 +0) = r1
r0 = 0
r2 &= 255
if r2 != 99 goto on
r0 = 1
on: exit
"""


def drain_object() -> ObjectSpec:
    insns = tuple(assemble(DRAIN))
    start = next(slot for slot, one in zip(slots(insns), insns, strict=False) if one.op.name == "exit") + 1
    program = ProgramSpec("p", "syscall", "syscall", insns, functions=(FunctionSpec("each", start, True),))
    proto = FuncProto(1, (("a", 1), ("b", 1)))
    btf = Btf([Int("int", 4, 32, is_signed=True), proto, Func("p", 2), Func("each", 2, STATIC)])
    return ObjectSpec({"p": program}, {"messages": MapSpec("messages", "user_ringbuf", 0, 0, PAGE)}, btf)


def test_messages_from_user_space() -> None:
    chance, given = random.Random(3), []
    for _ in range(60):
        count = chance.randrange(8)
        given.append(([bytes([chance.randrange(90, 101)]) * chance.choice((1, 7, 8, 9, 100)) for _ in range(count)],
                      chance.choice((0, 0, 1, 2, 3, 4))))  # fmt: skip
    answers = {}
    for engine in ENGINES:
        found: list[bytes | None] = []
        left: list[Entries] = []
        with load(drain_object(), engine) as loaded:
            for messages, flags in given:
                try:
                    loaded.write_map("messages", [(b"", one) for one in messages])
                except (LoadError, UsageError) as error:
                    found.append(str(error).encode())
                result = loaded.run(Input(ctx=flags.to_bytes(8, "little") + bytes(16)))
                assert result.fault is None, result.fault
                found.append(result.ctx)
                left.append(loaded.read_map("messages"))
        answers[engine] = found, left
    assert answers["interp"] == answers["portable"] == answers["kernel"]
    print(f"{len(given)} runs on 3 machines, {sum(len(messages) for messages, _ in given)} messages")
    assert len(given) >= 60
