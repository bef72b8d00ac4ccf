"""Updates and deletions of maps by compiled code: the same answers and the same bytes in memory as Python's."""

from __future__ import annotations

import random

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator, Loaded
from bpfvm.emulator.maps.hash import NO_PREALLOC
from bpfvm.emulator.native.code.engine import missing
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import flag_bits

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

CPUS, OWN, LRUS = 3, flag_bits("no_common_lru"), ("lru_hash", "lru_percpu_hash")
# Operation, flags, key and value in the context; r0 is what the helper gave, for a look-up the value or -1
PROGRAM = """
r6 = r1
r1 = *(u64 *)(r6 +16)
*(u64 *)(r10 -16) = r1
r1 = *(u64 *)(r6 +24)
*(u64 *)(r10 -8) = r1
r1 = *(u64 *)(r6 +32)
*(u64 *)(r10 -32) = r1
*(u64 *)(r10 -24) = r1
r7 = *(u64 *)(r6 +0)
if r7 == 1 goto update
if r7 == 2 goto delete
r1 = map[m]
r2 = r10
r2 += -16
call 1
if r0 != 0 goto there
r0 = -1
exit
there: r0 = *(u8 *)(r0 +0)
exit
update: r1 = map[m]
r2 = r10
r2 += -16
r3 = r10
r3 += -32
r4 = *(u64 *)(r6 +8)
call 2
exit
delete: r1 = map[m]
r2 = r10
r2 += -16
call 3
exit
"""
MAPS = [
    MapSpec("m", "hash", 4, 8, 20),
    MapSpec("m", "hash", 7, 3, 150),
    MapSpec("m", "hash", 16, 16, 33, NO_PREALLOC),
    MapSpec("m", "hash", 1, 12, 5),
    MapSpec("m", "percpu_hash", 4, 8, 20),
    MapSpec("m", "percpu_hash", 9, 5, 90),
    MapSpec("m", "lru_hash", 4, 8, 40),
    MapSpec("m", "lru_hash", 7, 3, 900),
    MapSpec("m", "lru_hash", 1, 5, 5),
    *(MapSpec("m", kind, 4, 8, entries) for kind in LRUS for entries in (1, 2, 16, 200)),
    *(MapSpec("m", kind, 4, 8, entries, OWN) for kind in LRUS for entries in (1, 7, 16, 200)),
    MapSpec("m", "lru_percpu_hash", 4, 8, 40),
    MapSpec("m", "lru_percpu_hash", 9, 12, 300),
    MapSpec("m", "array", 4, 8, 12),
    MapSpec("m", "percpu_array", 4, 13, 12),
]


def loaded(engine: str, spec: MapSpec, safe: bool = False) -> Loaded:
    program = ProgramSpec("p", "syscall", "syscall", tuple(assemble(PROGRAM)))
    return Emulator(engine, cpus=CPUS, safe=safe).load(ObjectSpec({"p": program}, {"m": spec}), "p", {})


def operations(spec: MapSpec, count: int) -> list[Input]:
    """Mostly updates and deletions of few keys, on all CPUs, with flags of all kinds."""
    rng = random.Random(f"{spec.type} {spec.key_size}")
    found = []
    for _ in range(count):
        doing = rng.choices((0, 1, 2), (2, 5, 2))[0]
        key = rng.randrange(spec.max_entries * 5 // 4 + 1) if spec.key_size > 1 else rng.randrange(9)
        flags = rng.choices((0, 1, 2, 3, 4, 1 << 40), (6, 3, 3, 1, 1, 1))[0]
        value = rng.getrandbits(64)
        words = (doing, flags, key, key * 3 if spec.key_size > 8 else 0, value)
        found.append(Input(ctx=b"".join(word.to_bytes(8, "little") for word in words), cpu=rng.randrange(CPUS)))
    return found


@pytest.mark.parametrize("safe", [False, True], ids=["checked", "safe"])
@pytest.mark.parametrize("spec", MAPS, ids=lambda one: f"{one.type}-{one.key_size}-{one.max_entries}")
def test_answers_and_memory_are_pythons(spec: MapSpec, safe: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code changes the map, then Python does (user space), by turns."""
    rng, count = random.Random(spec.value_size), 2000 if "lru" in spec.type else 500
    with loaded("portable", spec) as one, loaded("native", spec, safe) as other:
        assert isinstance(other.tier, Runtime)
        built = other.tier.built(other.code, ())
        assert built is not None
        assert "@update0" in built.module.text
        asked, helped = [], other.tier.help

        def noted(*words: int | None) -> int:
            asked.append(words)
            return helped(*words)  # type: ignore[arg-type]

        monkeypatch.setattr(other.tier, "help", noted)
        answers = set()
        for number, given in enumerate(operations(spec, count)):
            want, got = one.run(given), other.run(given)
            assert got == want, f"operation {number}"
            answers.add(want.r0 >> 32)
            if number % 50 == 0:
                key = given.ctx[16 : 16 + spec.key_size] if given.ctx else b""
                results = [each.system.maps["m"].sys_delete(key) for each in (one, other)]
                assert results[0] == results[1]
                value = rng.randbytes(spec.value_size)
                whole = [value] * CPUS if "percpu" in spec.type else value
                results = [each.system.maps["m"].sys_update(key, whole) for each in (one, other)]
                assert results[0] == results[1]
            if number % 100 == 0:
                assert other.read_map("m") == one.read_map("m")
        assert len(answers) > 1
        assert memory(other) == memory(one)
        print(f"Python was asked {len(asked)} times of {count}")
        assert len(asked) < 60, "most calls are done in place"


@pytest.mark.parametrize("spec", [one for one in MAPS if "hash" in one.type][::3], ids=lambda one: f"{one.type}")
def test_memory_that_makes_no_sense_does_no_harm(spec: MapSpec) -> None:
    """In mode `safe` programs may have written anything over a map: its functions end, and stay in the arena."""
    rng = random.Random(5)
    with loaded("native", spec, safe=True) as machine:
        given = operations(spec, 200)
        for one in given[:100]:
            machine.run(one)
        assert isinstance(machine.tier, Runtime)
        machine.tier.help = lambda *words: 0  # type: ignore[method-assign]
        for one in given[100:]:
            for region, _, data in machine.system.arena.snapshot():
                if region.kind.startswith("map") and rng.random() < 0.3:
                    region.data[:] = rng.randbytes(len(data))
            machine.run(one)


def memory(machine: Loaded) -> list[tuple[str, bytes]]:
    """What all that belongs to maps holds."""
    regions = machine.system.arena.snapshot()
    return [(region.name, data) for region, _, data in regions if region.kind.startswith("map")]


def test_elements_are_found_after_the_machine_is_put_back() -> None:
    spec = MAPS[0]
    with loaded("native", spec) as machine:
        inputs = operations(spec, 60)
        for given in inputs[:30]:
            machine.run(given)
        snapshot, then = machine.system.snapshot(), machine.read_map("m")
        for given in inputs[30:]:
            machine.run(given)
        assert machine.read_map("m") != then
        machine.system.restore(snapshot)
        assert machine.read_map("m") == then
