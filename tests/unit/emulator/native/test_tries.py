"""Look-ups in LPM tries by compiled code: what Python's find, in whatever order prefixes came and went."""

from __future__ import annotations

import random

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator, Loaded
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import flag_bits

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

# The key in the context; r0 is the value's address and its first byte, or 0
PROGRAM = """
r2 = *(u64 *)(r1 +0)
*(u64 *)(r10 -24) = r2
r2 = *(u64 *)(r1 +8)
*(u64 *)(r10 -16) = r2
r2 = *(u64 *)(r1 +16)
*(u64 *)(r10 -8) = r2
r1 = map[m]
r2 = r10
r2 += -24
call 1
if r0 == 0 goto none
r1 = *(u8 *)(r0 +0)
r0 <<= 8
r0 |= r1
none: exit
"""


def loaded(engine: str, spec: MapSpec, safe: bool = False) -> Loaded:
    program = ProgramSpec("p", "syscall", "syscall", tuple(assemble(PROGRAM)))
    return Emulator(engine, safe=safe).load(ObjectSpec({"p": program}, {"m": spec}), "p", {})


def key(source: random.Random, width: int, most: int) -> bytes:
    """A prefix of few different bits, so that prefixes have much in common."""
    data = bytes(source.choice((0x80, 0x81, 0xFF, 1)) if source.random() < 2 / width else 0 for _ in range(width))
    return source.choice((0, most, most, source.randrange(most + 1))).to_bytes(4, "little") + data


@pytest.mark.parametrize("safe", [False, True], ids=["checked", "safe"])
@pytest.mark.parametrize("width", [2, 4, 8, 16])
def test_what_is_found_is_what_python_finds(width: int, safe: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    source, most = random.Random(width), 8 * width
    spec = MapSpec("m", "lpm_trie", 4 + width, 3, 60, flag_bits("no_prealloc"))
    with loaded("portable", spec) as one, loaded("native", spec, safe) as other:
        assert isinstance(other.tier, Runtime)
        monkeypatch.setattr(other.tier, "help", None)  # not asked
        answers = set()
        for _ in range(1500):
            name, doing = key(source, width, most), source.random()
            if doing < 0.3:
                value = source.randbytes(3)
                assert one.system.maps["m"].sys_update(name, value) == other.system.maps["m"].sys_update(name, value)
            elif doing < 0.4:
                assert one.system.maps["m"].sys_delete(name) == other.system.maps["m"].sys_delete(name)
            length = source.choice((most, most, source.randrange(most + 3), 1 << 31))
            given = Input(ctx=(length.to_bytes(4, "little") + key(source, width, most)[4:]).ljust(24, b"\0"))
            want = one.run(given)
            assert other.run(given) == want
            answers.add(want.r0)
        assert len(answers) > 40


def test_memory_that_makes_no_sense_does_no_harm() -> None:
    source, spec = random.Random(5), MapSpec("m", "lpm_trie", 8, 3, 60, flag_bits("no_prealloc"))
    with loaded("native", spec, safe=True) as machine:
        for _ in range(60):
            machine.system.maps["m"].sys_update(key(source, 4, 32), bytes(3))
        for _ in range(100):
            for region, _, data in machine.system.arena.snapshot():
                if region.kind.startswith("map") and source.random() < 0.3:
                    region.data[:] = source.randbytes(len(data))
            machine.run(Input(ctx=key(source, 4, 32).ljust(24, b"\0")))
