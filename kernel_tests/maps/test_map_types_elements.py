"""Arrays and hash maps of every kind against the running kernel: random operations of programs and of user space.

After each operation both machines give the same answer, and in the end the same contents. Keys come in one order with
BPF_F_ZERO_SEED, and operations are on any CPU. BPFVM_MAP_OPERATIONS: how many for each declaration.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import pytest

from bpfvm.emulator.maps import MapStore
from bpfvm.kernel.maps.calls import Answer, Calls
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, flag_bits
from kernel_tests.loading import release
from kernel_tests.maps.calls import Call, emulated, in_kernel, operations

OPERATIONS = int(os.environ.get("BPFVM_MAP_OPERATIONS", "1200"))
SEEDED = flag_bits("zero_seed")
LOOSE = flag_bits("zero_seed no_prealloc")
OWN = flag_bits("zero_seed no_common_lru")
SPECS = (
    MapSpec("m", "array", 4, 8, 5),
    MapSpec("m", "array", 4, 20, 1),
    MapSpec("m", "array", 4, 12, 300, flag_bits("mmapable")),
    MapSpec("m", "percpu_array", 4, 8, 4),
    MapSpec("m", "percpu_array", 4, 20, 7),
    MapSpec("m", "hash", 4, 8, 1, SEEDED),
    MapSpec("m", "hash", 4, 8, 7, SEEDED),
    MapSpec("m", "hash", 8, 16, 64, SEEDED),
    MapSpec("m", "hash", 12, 4, 33, LOOSE),
    MapSpec("m", "hash", 40, 24, 16, LOOSE),
    MapSpec("m", "hash", 16, 60, 100, SEEDED),
    MapSpec("m", "percpu_hash", 4, 8, 5, SEEDED),
    MapSpec("m", "percpu_hash", 20, 12, 40, LOOSE),
    MapSpec("m", "lru_hash", 4, 8, 1, SEEDED),
    MapSpec("m", "lru_hash", 4, 8, 2, SEEDED),
    MapSpec("m", "lru_hash", 4, 8, 16, SEEDED),
    MapSpec("m", "lru_hash", 8, 16, 100, SEEDED),
    MapSpec("m", "lru_hash", 8, 16, 700, SEEDED),
    MapSpec("m", "lru_hash", 4, 8, 1, OWN),
    MapSpec("m", "lru_hash", 4, 8, 16, OWN),
    MapSpec("m", "lru_hash", 4, 8, 101, OWN),
    MapSpec("m", "lru_percpu_hash", 4, 8, 16, SEEDED),
    MapSpec("m", "lru_percpu_hash", 4, 8, 3, SEEDED),
    MapSpec("m", "lru_percpu_hash", 4, 20, 31, OWN),
)
FLAGS = (0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 8, 1 << 32, 1 << 63)
Step: TypeAlias = "tuple[str, Callable[[MapStore | Calls], object]]"

pytestmark = pytest.mark.skipif(
    release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"
)


@contextmanager
def affinity_kept() -> Iterator[None]:
    """Kernel operations choose a CPU by the process's affinity."""
    before = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _name(spec: MapSpec) -> str:
    return f"{spec.type}-{spec.key_size}-{spec.value_size}-{spec.max_entries}-{spec.flags:#x}"


def _key(spec: MapSpec, dice: random.Random) -> bytes:
    """One of somewhat more keys than there is room for."""
    most = max(spec.max_entries + spec.max_entries // 2, 3)
    number = dice.choice((dice.randrange(most), dice.randrange(most // 2 + 1), spec.max_entries))
    number = dice.choice((number,) * 30 + (0xFFFF_FFFF, 0x8000_0000))
    return number.to_bytes(4, "little") + bytes((number * at) & 0xFF for at in range(spec.key_size - 4))


def _call(spec: MapSpec, dice: random.Random) -> Call:
    weights = {1: 8, 2: 12, 3: 4, 4: 3, 5: 0.3, 6: 0.05, 7: 1}
    allowed = operations(spec)
    operation = dice.choices(allowed, [weights[one] for one in allowed])[0]
    flags = dice.choice(FLAGS) if operation in (2, 7) else dice.choice((0,) * 9 + (1,))
    cpu = dice.choice((*range(possible_cpus()), possible_cpus(), 1 << 31, 1 << 32, (1 << 32) + 1))
    return Call(operation, _key(spec, dice), dice.randbytes(spec.value_size), flags, cpu)


def _step(spec: MapSpec, dice: random.Random) -> Step:
    """An operation of user space."""
    key, flags = _key(spec, dice), dice.choice(FLAGS)
    few = dice.choice((0, 0, 0, 0, 0, 1, 4, 8))
    value: bytes | list[bytes] = dice.randbytes(spec.value_size)
    if BY_NAME[spec.type].per_cpu:
        value = [dice.randbytes(spec.value_size) for _ in range(possible_cpus())]
    steps: tuple[Step, ...] = (
        (f"lookup {key.hex()} {few}", lambda side: side.sys_lookup(key, few)),
        (f"update {key.hex()} {flags:#x}", lambda side: side.sys_update(key, value, flags)),
        (f"delete {key.hex()}", lambda side: side.sys_delete(key)),
        (f"pop {key.hex()} {few}", lambda side: side.sys_lookup_and_delete(key, few)),
        (f"next {key.hex()}", lambda side: side.next_key(key)),
        ("first", lambda side: side.next_key(None)),
        ("contents", contents),
    )
    return dice.choices(steps, (5, 6, 2, 2, 3, 1, 0.4))[0]


def contents(side: MapStore | Calls) -> list[tuple[bytes, Answer]]:
    """Every key in the map's own order, with its value."""
    found, key = [], side.next_key(None)
    while isinstance(key, bytes):
        found.append((key, side.sys_lookup(key)))
        key = side.next_key(key)
    return found


@pytest.mark.parametrize("tier", ["interp", "portable"])
@pytest.mark.parametrize("spec", SPECS, ids=_name)
def test_operations_answer_as_the_kernels_do(spec: MapSpec, tier: str) -> None:
    dice = random.Random(f"{spec} {tier}")
    programs, user = in_kernel(spec)
    mine = emulated(spec, tier)
    system = getattr(mine.loaded, "system", None)
    assert system is not None
    store, done = system.maps["m"], []
    with affinity_kept():
        for _ in range(OPERATIONS):
            cpu = dice.choice((0, 0, 0, possible_cpus() - 1))
            if dice.random() < 0.6:
                call = _call(spec, dice)
                wanted: object = programs(call, cpu)
                found: object = mine(call, cpu)
                what = f"program on CPU {cpu}: {call}"
            else:
                what, step = _step(spec, dice)
                os.sched_setaffinity(0, {cpu})
                system.cpu = cpu
                wanted, found = step(user), step(store)
                what = f"user space on CPU {cpu}: {what}"
            done.append(what)
            assert found == wanted, "\n".join([*done[-12:], f"emulated {found}", f"kernel   {wanted}"])
        assert contents(store) == contents(user)
    programs.close()
    mine.close()
    print(f"{len(done)} operations on {_name(spec)}, {tier}")
    assert len(done) == OPERATIONS >= 1000
