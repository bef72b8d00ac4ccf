"""Loops, memory at any address, dynptrs and timers: the same programs on the emulator's tiers and in the kernel."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import closing

import pytest

from bpfvm.core.errors import VerifierReject
from bpfvm.core.machine import Input, Result
from bpfvm.isa.asm import assemble
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import slots
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.helpers import BY_NAME

EMULATORS = ("interp", "portable")
ENGINES = (*EMULATORS, "kernel")
HOUR = 3600 * 10**9


def typed() -> tuple[Btf, dict[str, int]]:
    """BTF of a value with a timer or a lock, and of functions."""
    btf = Btf()
    u32 = btf.add(Int("u32", 4, 32))
    u64 = btf.add(Int("u64", 8, 64))
    timer = btf.add_struct("bpf_timer", 16, [("__opaque", btf.add_array(u64, 2), 0)])
    lock = btf.add_struct("bpf_spin_lock", 4, [("val", u32, 0)])
    timed = btf.add_struct("timed", 24, [("count", u64, 0), ("timer", timer, 8)])
    locked = btf.add_struct("locked", 8, [("count", u32, 0), ("lock", lock, 4)])
    proto = btf.add_func_proto(u64, [("a", u64), ("b", u64), ("c", u64)])
    btf.add_func("p", btf.add_func_proto(u64, [("ctx", btf.add_ptr(0))]))
    btf.add_func("f", proto, 0)
    return btf, {"u32": u32, "timed": timed, "locked": locked}


BTF, TYPES = typed()


def object_of(text: str, maps: Sequence[MapSpec] = ()) -> ObjectSpec:
    """A syscall program; a callback in it is at label f."""
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    places = zip(slots(insns), insns, strict=False)
    slot = next((target_slot(one, at) for at, one in places if one.op.name == "lddw_func"), None)
    functions = (FunctionSpec("f", slot, is_static=True),) if slot is not None else ()
    program = ProgramSpec("p", "syscall", "syscall", tuple(insns), functions=functions)
    return ObjectSpec({"p": program}, {one.name: one for one in maps}, BTF)


def on_all(spec: ObjectSpec, contexts: Sequence[bytes], engines: Sequence[str] = ENGINES) -> list[list[Result]]:
    found = []
    for name in engines:
        with closing(engine(name).load(spec, "p", {})) as loaded:
            found.append([loaded.run(Input(ctx=ctx)) for ctx in contexts])
    return found


def numbers(ctx: bytes | None) -> tuple[int, ...]:
    assert ctx is not None
    return tuple(int.from_bytes(ctx[at : at + 8], "little", signed=True) for at in range(0, len(ctx), 8))


def words(*values: int) -> bytes:
    return b"".join((value % 2**64).to_bytes(8, "little") for value in values)


LOOP = """
r6 = r1
*(u64 *)(r10 -8) = 0
r1 = *(u64 *)(r6 +8)
*(u64 *)(r10 -16) = r1
r1 = *(u64 *)(r6 +0)
r2 = func f
r3 = r10
r3 += -16
r4 = *(u64 *)(r6 +16)
call loop
*(u64 *)(r6 +24) = r0
r1 = *(u64 *)(r10 -8)
*(u64 *)(r6 +32) = r1
r0 = 0
exit
f: r3 = *(u64 *)(r2 +8)
r3 += r1
*(u64 *)(r2 +8) = r3
r0 = 0
r3 = *(u64 *)(r2 +0)
if r1 != r3 goto end
r0 = 1
end: exit
"""


def test_loops() -> None:
    some = [
        words(count, stop, flags, 0, 0)
        for count, stop, flags in itertools.product(
            (0, 1, 2, 7, 1000, (1 << 23) + 1, 1 << 31, 1 << 32, (1 << 32) + 3, -1), (0, 5, 1 << 40), (0, 1, 1 << 63)
        )
    ]
    results = on_all(object_of(LOOP), some)
    for ctx, *outcomes in zip(some, *results, strict=True):
        assert len({(one.ctx, one.fault) for one in outcomes}) == 1, (numbers(ctx), outcomes)
    print(f"loop: {len(some)} compared")
    assert len(some) >= 90


READ = """
r6 = r1
r7 = *(u64 *)(r6 +0)
r2 = *(u64 *)(r6 +8)
if r2 == 0 goto known
r7 = r10
r7 += -16
known: *(u64 *)(r10 -8) = 0x64636261
*(u64 *)(r10 -16) = 0x11223344
*(u64 *)(r10 -24) = -1
*(u64 *)(r10 -32) = -1
r1 = r10
r1 += -32
r2 = *(u64 *)(r6 +16)
r2 &= 15
r3 = r7
call {}
*(u64 *)(r6 +24) = r0
r1 = *(u64 *)(r10 -32)
*(u64 *)(r6 +32) = r1
r1 = *(u64 *)(r10 -24)
*(u64 *)(r6 +40) = r1
r0 = 0
exit
"""
NOWHERE = (0, 1, 0x1000, 0xDEAD << 48, 1 << 63, 0xFFFF_8000_0000_0000, (1 << 64) - 256)


@pytest.mark.parametrize("name", ["probe_read", "probe_read_kernel", "probe_read_str", "probe_read_kernel_str",
                                  "probe_read_user", "probe_read_user_str", "copy_from_user"])  # fmt: skip
def test_memory_at_any_address(name: str) -> None:
    """The stack is the kernel's: what reads user memory is compared where there is none."""
    stack = () if "user" in name else (1,)
    some = [words(0, place, size, 0, 0, 0) for place in stack for size in range(16)]
    some += [words(address, 0, size, 0, 0, 0) for address in NOWHERE for size in (0, 1, 8, 15)]
    results = on_all(object_of(READ.format(name)), some)
    for ctx, *outcomes in zip(some, *results, strict=True):
        assert len({(one.ctx, one.fault) for one in outcomes}) == 1, (
            numbers(ctx),
            [numbers(one.ctx) for one in outcomes],
        )
    print(f"{name}: {len(some)} compared")
    assert len(some) >= 28


DYNPTR = """
r6 = r1
r7 = map[v]+0
r1 = r7
r2 = *(u64 *)(r6 +0)
r2 &= 31
r3 = *(u64 *)(r6 +8)
r4 = r10
r4 += -16
call dynptr_from_mem
*(u64 *)(r6 +48) = r0
*(u64 *)(r10 -24) = 0x55
*(u64 *)(r10 -32) = 0x66
r1 = r10
r1 += -16
r2 = *(u64 *)(r6 +16)
r3 = r10
r3 += -32
r4 = *(u64 *)(r6 +24)
r4 &= 15
r5 = *(u64 *)(r6 +32)
call dynptr_write
*(u64 *)(r6 +56) = r0
r1 = r10
r1 += -24
r2 = 8
r3 = r10
r3 += -16
r4 = *(u64 *)(r6 +16)
r5 = *(u64 *)(r6 +40)
call dynptr_read
*(u64 *)(r6 +64) = r0
r1 = *(u64 *)(r10 -24)
*(u64 *)(r6 +72) = r1
r1 = r10
r1 += -16
r2 = *(u64 *)(r6 +16)
r3 = 8
call dynptr_data
r1 = -1
if r0 == 0 goto none
r1 = *(u64 *)(r0 +0)
none: *(u64 *)(r6 +80) = r1
r0 = 0
exit
"""


def test_dynptrs() -> None:
    value = MapSpec("v", "array", 4, 32, 1, initial=bytes(range(32)))
    some = [
        words(size, flags, offset, length, writes, reads, *[0] * 5)
        for size, flags, offset, length, writes, reads in itertools.product(
            (0, 8, 20, 31), (0, 1), (0, 5, 12, 24, 31, 1 << 31, 1 << 32, -1), (0, 1, 15), (0, 1), (0, 1)
        )
    ]
    results = on_all(object_of(DYNPTR, [value]), some)
    for ctx, *outcomes in zip(some, *results, strict=True):
        assert len({(one.ctx, one.fault) for one in outcomes}) == 1, (
            numbers(ctx),
            [numbers(one.ctx) for one in outcomes],
        )
    print(f"dynptrs: {len(some)} compared")
    assert len(some) >= 700


def timed(steps: str) -> ObjectSpec:
    """A program that does things with the timer at r7; r8 counts results in the context. The callback counts."""
    store = MapSpec("m", "array", 4, 24, 1, key_type=TYPES["u32"], value_type=TYPES["timed"])
    lines = ["r6 = r1", "*(u32 *)(r10 -4) = 0", "r1 = map[m]", "r2 = r10", "r2 += -4", "call map_lookup_elem",
             "if r0 == 0 goto out", "r7 = r0", "r7 += 8"]  # fmt: skip
    for index, step in enumerate(steps.split()):
        name, _, given = step.partition(":")
        values = given.split(",") if given else []
        lines.append("r1 = r7")
        if name == "init":
            lines += ["r2 = map[m]", f"r3 = {values[0]}", "call timer_init"]
        elif name == "set":
            lines += ["r2 = func f", "call timer_set_callback"]
        elif name == "start":
            lines += [f"r2 = {values[0]} ll", f"r3 = {values[1]} ll", "call timer_start"]
        else:
            lines += ["call timer_cancel"]
        lines.append(f"*(u64 *)(r6 +{8 * index}) = r0")
    lines += ["out: r0 = 0", "exit"]
    if "set" in steps.split():
        lines += ["f: r4 = *(u64 *)(r3 +0)", "r4 += 1", "*(u64 *)(r3 +0) = r4", "r0 = 0", "exit"]
    return object_of("\n".join(lines), [store])


SEQUENCES = (
    "init:1 set start:1000000,0", "init:0 init:0 set set start:3600000000000,0 cancel cancel",
    "start:1,0 set cancel init:7 start:1,0",
    "init:2 init:16 init:1 start:5,0 set start:5,4", "init:1 set start:3600000000000,0 cancel start:1,0 set start:1,0",
    "init:1 set start:3600000000000,0 cancel set start:2000000,2", "init:1 set start:1,1", "init:1 cancel",
    "init:1 set start:3600000000000,0 start:1000000,0", "init:1 set start:-1,0", "init:1 set start:1000000,3",
)  # fmt: skip


@pytest.mark.parametrize("steps", SEQUENCES)
def test_timers(steps: str) -> None:
    """Results, and the count of calls a while later; an hour is not waited for."""
    spec, found = timed(steps), {}
    for name in ENGINES:
        with closing(engine(name).load(spec, "p", {})) as loaded:
            first = loaded.run(Input(ctx=bytes(64), clock=HOUR))
            if name == "kernel":
                time.sleep(0.05)
            else:  # time passes between runs; the context of this one stops it before it does anything
                loaded.run(Input(ctx=bytes(64), clock=HOUR + 5 * 10**7))
            ((_, value),) = loaded.read_map("m")
            assert isinstance(value, bytes)
            found[name] = (first.fault, numbers(first.ctx), int.from_bytes(value[:8], "little"))
    assert found["interp"] == found["portable"] == found["kernel"]
    print(steps, *found["kernel"][1:])


REFUSED: Mapping[str, tuple[str, str]] = {
    "two locks": (
        "r1 = r7\ncall spin_lock\nr1 = r7\ncall spin_lock",
        "is called while the lock at m value at 0+4 is held",
    ),
    "unlock without lock": ("r1 = r7\ncall spin_unlock", "no lock is held"),
    "exit with lock": ("r1 = r7\ncall spin_lock", "is held when the program ends"),
    "call under lock": ("r1 = r7\ncall spin_lock\ncall ktime_get_ns\nr1 = r7\ncall spin_unlock", "is called while"),
    "wrong place": ("r1 = r7\nr1 += -4\ncall spin_lock", "is not a lock inside a map value"),
    "held rightly": ("r1 = r7\ncall spin_lock\nr1 = r7\ncall spin_unlock", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_locks(case: str) -> None:
    steps, message = REFUSED[case]
    store = MapSpec("m", "array", 4, 8, 1, key_type=TYPES["u32"], value_type=TYPES["locked"])
    text = f"*(u32 *)(r10 -4) = 0\nr1 = map[m]\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nif r0 == 0 goto out\n" \
           f"r7 = r0\nr7 += 4\n{steps}\nout: r0 = 0\nexit"  # fmt: skip
    spec = object_of(text, [store])
    faults = [result.fault for (result,) in on_all(spec, [b""], EMULATORS)]
    assert faults[0] == faults[1]
    assert (faults[0] is None) == (not message)
    if faults[0] is None:
        on_all(spec, [b""], ["kernel"])
        return
    assert message in faults[0].message
    with pytest.raises(VerifierReject):
        on_all(spec, [b""], ["kernel"])


RECORD = """
r6 = r1
r1 = map[r]
r2 = *(u64 *)(r6 +0)
r3 = *(u64 *)(r6 +8)
r4 = r10
r4 += -16
call ringbuf_reserve_dynptr
*(u64 *)(r6 +16) = r0
*(u64 *)(r10 -24) = 0x41
r1 = r10
r1 += -16
r2 = 0
r3 = r10
r3 += -24
r4 = 8
r5 = 0
call dynptr_write
*(u64 *)(r6 +24) = r0
r1 = r10
r1 += -16
r2 = 0
call ringbuf_discard_dynptr
r0 = 0
exit
"""


def test_records_of_a_size_known_late() -> None:
    ring = MapSpec("r", "ringbuf", 0, 0, 4096)
    some = [
        words(size, flags, 0, 0)
        for size, flags in itertools.product(
            (0, 7, 8, 100, 4079, 4080, 4088, 5000, 1 << 23, 1 << 24, -1), (0, 1, 2, 1 << 40)
        )
    ]
    for ctx in some:  # each on a ring of its own: nobody reads it in the kernel
        outcomes = [result for (result,) in on_all(object_of(RECORD, [ring]), [ctx])]
        assert len({(one.ctx, one.fault) for one in outcomes}) == 1, (
            numbers(ctx),
            [numbers(one.ctx) for one in outcomes],
        )
    print(f"records: {len(some)} compared")
    assert len(some) >= 40
