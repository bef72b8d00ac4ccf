"""Timers on the virtual clock: when they fire, in which order, and what of them is in memory."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator, Loaded
from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

TIERS = EMULATORS


def typed() -> tuple[Btf, int]:
    btf = Btf()
    u64 = btf.add(Int("u64", 8, 64))
    timer = btf.add_struct("bpf_timer", 16, [("__opaque", btf.add_array(u64, 2), 0)])
    return btf, btf.add_struct("value", 24, [("n", u64, 0), ("t", timer, 8)])


BTF, VALUE = typed()
# ctx: what to do (0 nothing, 1 start, 2 cancel), key, wait. The callback keeps its key, the time and the CPU
START = """
r6 = r1
r1 = *(u64 *)(r6 +8)
*(u32 *)(r10 -4) = r1
r1 = map[m]
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0 goto out
r7 = r0
r7 += 8
r1 = *(u64 *)(r6 +0)
if r1 == 0 goto out
if r1 == 2 goto cancel
r1 = r7
r2 = map[m]
r3 = 1
call timer_init
r1 = r7
r2 = func f
call timer_set_callback
r1 = r7
r2 = *(u64 *)(r6 +16)
r3 = 0
call timer_start
goto out
cancel: r1 = r7
call timer_cancel
*(u64 *)(r6 +16) = r0
out: r0 = 0
exit
f: r6 = r2
r7 = r3
r9 = *(u32 *)(r6 +0)
call get_smp_processor_id
r8 = r0
call ktime_get_ns
r5 = r0
r4 = r8
r3 = r9
r1 = map[t]+0
r2 = 11
call trace_printk
r1 = *(u64 *)(r7 +0)
r1 += 1
*(u64 *)(r7 +0) = r1
r0 = {result}
{again}
exit
"""
AGAIN = "if r1 s> 2 goto end\nr1 = r7\nr1 += 8\nr2 = 100\nr3 = 0\ncall timer_start\nr0 = 0\nend:"


def load(name: str, again: str = "", result: int = 0, kind: str = "array", budget: int = 10_000) -> Loaded:
    text = START.format(again=again, result=result)
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    maps = {
        "m": MapSpec("m", kind, 4, 24, 8, value_type=VALUE),
        "t": MapSpec("t", "array", 4, 16, 1, 1 << 7, initial=b"%d %d %llu\0".ljust(16, b"\0")),
    }
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(insns))}, maps, BTF)
    entries = {"m": [(bytes([key, 0, 0, 0]), bytes(24)) for key in range(4)]} if kind == "hash" else {}
    return Emulator(name, budget, cpus=4).load(spec, "p", entries)  # type: ignore[arg-type]


def step(loaded: Loaded, what: int, key: int, wait: int, clock: int, cpu: int = 0) -> Result:
    words = b"".join(one.to_bytes(8, "little") for one in (what, key, wait))
    return loaded.run(Input(ctx=words, clock=clock, cpu=cpu))


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize("kind", ["array", "hash"])
def test_timers_fire_before_the_next_run_in_order_of_time(name: str, kind: str) -> None:
    with load(name, kind=kind) as loaded:
        step(loaded, 1, 3, 500, 1000, cpu=2)
        step(loaded, 1, 1, 100, 1100, cpu=1)
        step(loaded, 1, 2, 1 << 40, 1150)
        assert step(loaded, 0, 0, 0, 1199).trace == ()
        result = step(loaded, 0, 0, 0, 1500, cpu=3)
        assert result.fault is None
        assert result.trace == ("1 1 1200", "3 2 1500")
        assert step(loaded, 0, 0, 0, 1 << 30).trace == ()


@pytest.mark.parametrize("name", TIERS)
def test_one_that_starts_itself_fires_until_the_run_begins(name: str) -> None:
    with load(name, again=AGAIN) as loaded:
        step(loaded, 1, 0, 50, 0)
        assert step(loaded, 0, 0, 0, 10_000).trace == ("0 0 50", "0 0 151", "0 0 252")


@pytest.mark.parametrize("name", TIERS)
def test_one_that_never_ends_is_stopped(name: str) -> None:
    with load(name, again="r1 = 0\n" + AGAIN) as loaded:
        step(loaded, 1, 0, 50, 0)
        fault = step(loaded, 0, 0, 0, 1 << 40).fault
        assert fault is not None
        assert fault.kind == "budget"


@pytest.mark.parametrize("name", TIERS)
def test_cancelled_deleted_and_updated_ones_do_not_fire(name: str) -> None:
    with load(name, kind="hash") as loaded:
        for key in range(4):
            step(loaded, 1, key, 1000, 0)
        result = step(loaded, 2, 0, 0, 1)
        assert result.ctx is not None
        assert result.ctx[16] == 1
        assert loaded.system.maps["m"].sys_delete(bytes([1, 0, 0, 0])) == 0
        loaded.write_map("m", [(bytes([2, 0, 0, 0]), bytes(24))])
        assert step(loaded, 0, 0, 0, 5000).trace == ("3 0 1000",)


@pytest.mark.parametrize("name", TIERS)
def test_a_callback_gives_0(name: str) -> None:
    with load(name, result=1) as loaded:
        step(loaded, 1, 0, 5, 0)
        fault = step(loaded, 0, 0, 0, 100).fault
        assert fault is not None
        assert "the callback of a timer returned 1, and must return 0" in fault.message


@pytest.mark.parametrize("name", TIERS)
def test_a_snapshot_has_the_timers(name: str) -> None:
    with load(name) as loaded:
        step(loaded, 1, 0, 50, 0)
        before = loaded.system.snapshot()
        assert step(loaded, 0, 0, 0, 100).trace == ("0 0 50",)
        loaded.system.restore(before)
        assert step(loaded, 0, 0, 0, 100).trace == ("0 0 50",)
