"""Snapshots, those of the middle of a run too: a user's function takes one, another puts the machine back to it."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Entries, Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.debugger import Debugger, Watch
from bpfvm.emulator.machine import Loaded
from bpfvm.emulator.state import State
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

MAPS = {"m": MapSpec("m", "hash", 4, 8, 4), "r": MapSpec("r", "ringbuf", 0, 0, 4096)}
SAVE, BACK = "call get_current_pid_tgid\n", "call get_current_uid_gid\n"
# What is seen of the machine, as one number in r9: packet, metadata, a map, time, chance
SEE = """
r1 = *(u32 *)(r6 +0)
r2 = *(u32 *)(r6 +4)
r2 -= r1
r9 *= 31
r9 += r2
r9 *= 31
r3 = *(u32 *)(r6 +8)
r1 -= r3
r9 += r1
r1 = r6
r2 = 0
r3 = r10
r3 += -8
r4 = 8
call xdp_load_bytes
r9 *= 31
r1 = *(u64 *)(r10 -8)
r9 += r1
*(u32 *)(r10 -16) = 1
r1 = map[m]
r2 = r10
r2 += -16
call map_lookup_elem
r9 *= 31
if r0 == 0 goto none{0}
r1 = *(u64 *)(r0 +0)
r9 += r1
none{0}: call ktime_get_ns
r9 *= 31
r9 += r0
call get_prandom_u32
r9 *= 31
r9 += r0
"""
CHANGE = """
r1 = r6
r2 = -16
call xdp_adjust_head
r1 = r6
r2 = -8
call xdp_adjust_meta
*(u32 *)(r10 -16) = 1
*(u64 *)(r10 -24) = 77
r1 = map[m]
r2 = r10
r2 += -16
r3 = r10
r3 += -24
r4 = 0
call map_update_elem
r1 = r6
r2 = 0
r3 = r10
r3 += -24
r4 = 8
call xdp_store_bytes
call ktime_get_ns
call get_prandom_u32
r1 = map[r]
r2 = r10
r2 += -24
r3 = 8
r4 = 0
call ringbuf_output
"""


def loaded(name: str, text: str, kept: list[State]) -> Loaded:
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(insns))}, MAPS)
    answers = {
        "get_current_pid_tgid": lambda: kept.append(machine.system.snapshot()),
        "get_current_uid_gid": lambda: machine.system.restore(kept[0]),
    }
    machine: Loaded = Emulator(name, answers=answers).load(spec, "p", {"m": [(b"\1\0\0\0", bytes(range(8)))]})
    return machine


def seen(name: str, text: str) -> tuple[int, bytes | None, tuple[bytes, ...]]:
    with loaded(name, f"r6 = r1\nr9 = 0\n{text}r0 = r9\nexit", []) as machine:
        result = machine.run(Input(packet=bytes(range(64)), seed=5))
    assert result.fault is None, result.fault
    return result.r0, result.packet, result.events.get("r", ())


@pytest.mark.parametrize("name", EMULATORS)
def test_the_middle_of_a_run_comes_back(name: str) -> None:
    plain = seen(name, SEE.format(0))
    assert seen(name, SAVE + CHANGE + BACK + SEE.format(0)) == plain
    assert seen(name, CHANGE + SAVE + SEE.format(0) + CHANGE + BACK + "r9 = 0\n" + SEE.format(1)) == seen(
        name, CHANGE + SEE.format(0)
    )
    changed = seen(name, CHANGE + SEE.format(0))
    assert changed[0] != plain[0]
    assert len(changed[2]) == 1


def test_what_pointed_into_the_packet_does_so_again() -> None:
    """On the reference tier, which knows what pointers point to."""
    hold = "r7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +4)\nr1 = r7\nr1 += 8\nif r1 > r8 goto out\n"
    read = "r9 = *(u64 *)(r7 +0)\nout: r9 += 0\n"
    assert seen("interp", hold + SAVE + CHANGE + BACK + read)[0] == int.from_bytes(bytes(range(8)), "little")
    with loaded("interp", f"r6 = r1\nr9 = 0\n{hold}{CHANGE}{read}r0 = r9\nexit", []) as machine:
        fault = machine.run(Input(packet=bytes(range(64)))).fault
    assert fault is not None
    assert "which was moved by bpf_xdp_adjust_head" in fault.message


COUNTED = """
r6 = 3
again: r1 = map[m]
*(u32 *)(r10 -4) = 7
r2 = r10
r2 += -4
call map_lookup_elem
if r0 == 0 goto out
r1 = *(u64 *)(r0 +0)
r1 += 1
*(u64 *)(r0 +0) = r1
r6 += -1
if r6 != 0 goto again
out: r0 = 2
exit
"""


@pytest.mark.parametrize("kind", ["array", "hash", "percpu_array", "lru_hash"])
def test_a_watched_element_is_looked_up_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at before every instruction, and its map may hold a million others."""
    insns = assemble(COUNTED, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    spec = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", tuple(insns))}, {"m": MapSpec("m", kind, 4, 8, 100)})
    key, cpus = b"\7\0\0\0", 2
    first: Entries = [(key, [bytes(8)] * cpus if kind.startswith("percpu") else bytes(8))]
    with Emulator("interp", cpus=cpus).load(spec, "p", {"m": first}) as machine:
        debugger = Debugger(machine, [Input(packet=bytes(64), cpu=1)])
        monkeypatch.setattr(type(machine.system.maps["m"]), "entries", None)
        debugger.watches[1] = Watch("m", key)
        told = [debugger.proceed().change for _ in range(3)]
        assert [one and (one.before, one.after) for one in told] == [
            (number.to_bytes(8, "little"), (number + 1).to_bytes(8, "little")) for number in range(3)
        ]
        assert debugger.element(Watch("m", b"\1" * 4)) is None
        assert debugger.element(Watch("m", b"")) is None
