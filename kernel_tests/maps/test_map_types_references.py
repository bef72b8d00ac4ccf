"""Maps of maps and program arrays against the running kernel: what may stand in them, and what is answered then."""

from __future__ import annotations

import itertools
import os
import random
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.emulator.machine import Emulator
from bpfvm.emulator.maps import TYPES, MapStore
from bpfvm.emulator.system import System
from bpfvm.isa.asm import assemble
from bpfvm.kernel import KERNEL
from bpfvm.kernel.maps.calls import Answer, Calls
from bpfvm.kernel.maps.inner import OpenedMap
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import Backend
from bpfvm.tables.maps import BY_NAME, flag_bits
from kernel_tests.loading import release
from kernel_tests.maps.calls import refused

SEEDED, GROWING = flag_bits("zero_seed"), flag_bits("inner_map")
INNER = (
    MapSpec("m.inner", "array", 4, 8, 3),
    MapSpec("m.inner", "array", 4, 8, 3, GROWING),
    MapSpec("m.inner", "percpu_array", 4, 8, 3),
    MapSpec("m.inner", "hash", 4, 8, 3, SEEDED),
    MapSpec("m.inner", "lru_hash", 4, 8, 3),
    MapSpec("m.inner", "percpu_hash", 4, 8, 3),
)
FLAGS = (0, 0, 0, 1, 2, 3, 4, 5, 8, 1 << 40)
CALL = "r6 = r1\n r2 = map[jumps]\n r3 = {index}\n call 12\n r0 = {missed}\n exit"

pytestmark = pytest.mark.skipif(
    release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"
)


def alike(inner: MapSpec) -> list[MapSpec]:
    """Maps that differ from `inner` in one thing each, or in nothing."""
    other = "hash" if inner.type != "hash" else "array"
    found = [
        replace(inner, name="same"), replace(inner, name="longer", max_entries=5),
        replace(inner, name="wider", value_size=16), replace(inner, name="other", type=other, flags=0),
        replace(inner, name="rdonly", flags=inner.flags | flag_bits("rdonly")),
    ]  # fmt: skip
    if BY_NAME[inner.type].key_size is None:
        found.append(replace(inner, name="key", key_size=8))
    return found


@pytest.mark.parametrize("outer", ["array_of_maps", "hash_of_maps"])
@pytest.mark.parametrize("inner", INNER, ids=lambda one: f"{one.type}-{one.flags:#x}")
def test_maps_of_maps_answer_as_the_kernels_do(inner: MapSpec, outer: str) -> None:
    flags = SEEDED if outer == "hash_of_maps" else 0
    spec = MapSpec("m", outer, 4, 4, 4, flags, inner=inner)
    inside = {one.name: one for one in alike(inner)}
    system = System(ObjectSpec({}, {"m": spec, **inside}), ["m"])
    dice, done = random.Random(f"{spec}"), []
    with ExitStack() as opened:
        kernel = {name: opened.enter_context(closing(KernelMap(one))) for name, one in inside.items()}
        named = {name: one.fd.number for name, one in kernel.items()}
        user = Calls(opened.enter_context(closing(KernelMap(spec, named=named))))
        for _ in range(800):
            what, found, wanted = _asked(dice, system.maps["m"], user, (*inside, "same", "missing"))
            done.append(what)
            assert found == wanted, "\n".join(done[-8:])
    print(f"{len(done)} operations on {outer} of {inner.type}")
    assert len(done) == 800


def _asked(dice: random.Random, store: MapStore, user: Calls, names: tuple[str, ...]) -> tuple[str, Answer, Answer]:
    """One operation of user space on both: what it was, and both answers."""
    key = dice.choice((*range(6), 0xFFFF_FFFF)).to_bytes(4, "little")
    operation, flags = dice.choice(("lookup", "update", "update", "delete", "pop", "next", "first")), dice.choice(FLAGS)
    name = dice.choice(names).encode()
    what = f"{operation} {key.hex()} {name.decode()} {flags:#x}"
    if operation == "lookup":
        return what, store.sys_lookup(key, flags), user.sys_lookup(key, flags)
    if operation == "update":
        return what, store.sys_update(key, name, flags), user.sys_update(key, name, flags)
    if operation == "delete":
        return what, store.sys_delete(key), user.sys_delete(key)
    if operation == "pop":
        return what, store.sys_lookup_and_delete(key, flags), user.sys_lookup_and_delete(key, flags)
    asked = key if operation == "next" else None
    return what, store.next_key(asked), user.next_key(asked)


def test_which_types_stand_in_maps_of_maps() -> None:
    """The kernel is asked for every type that the emulator has."""
    compared = 0
    for outer, name in itertools.product(("array_of_maps", "hash_of_maps"), TYPES):
        row = BY_NAME[name]
        if row.btf or row.name in ("cgroup_storage", "percpu_cgroup_storage"):
            continue
        inner = MapSpec("m.inner", name, row.keys[0], 8 if 8 in row.values else row.values[0],
                        4096 if row.entries == "pages" else 1, row.required_flags)  # fmt: skip
        if row.inner:
            inner = replace(inner, inner=MapSpec("m.inner.inner", "array", 4, 8, 1))
        spec = MapSpec("m", outer, 4, 4, 2, inner=inner)
        try:
            System(ObjectSpec({}, {"m": spec}), ["m"])
        except BpfvmError:
            found = True
        else:
            found = False
        assert found == refused(spec), (outer, name)
        compared += 1
    print(f"{compared} types inside of others")
    assert compared >= 18


def jumps(contents: tuple[tuple[int, str], ...] = (), entries: int = 4) -> ObjectSpec:
    """Programs that return 1 to 3 and one of another type, and p, which goes on at an index."""
    programs = {
        name: ProgramSpec(name, "xdp", "xdp", tuple(assemble(f"r0 = {number}\n exit")))
        for number, name in enumerate(("one", "two", "three"), 1)
    }
    programs["again"] = ProgramSpec("again", "xdp", "xdp", tuple(assemble(CALL.format(index=3, missed=7))))
    programs["cut"] = ProgramSpec("cut", "tc", "sched_cls", tuple(assemble("r0 = 9\n exit")))
    for index in range(6):
        text = CALL.format(index=index, missed=4)
        programs[f"p{index}"] = ProgramSpec(f"p{index}", "xdp", "xdp", tuple(assemble(text)))
    wide = "r6 = r1\n r2 = map[jumps]\n r3 = 0x100000001 ll\n call 12\n r0 = 4\n exit"
    programs["p6"] = ProgramSpec("p6", "xdp", "xdp", tuple(assemble(wide)))
    return ObjectSpec(programs, {"jumps": MapSpec("jumps", "prog_array", 4, 4, entries, contents=contents)})


def test_tail_calls_go_where_the_kernels_go() -> None:
    """By every index, past the end, of an empty place, by 64 bits of index, and round and round to the limit."""
    compared = 0
    for contents in ((), ((0, "one"), (1, "two")), ((0, "three"), (2, "one"), (3, "again"))):
        spec = jumps(contents)
        for number in range(7):
            answers = {}
            machines: list[Backend] = [KERNEL, Emulator("interp"), Emulator("portable")]
            for machine in machines:
                with closing(machine.load(spec, f"p{number}", {})) as loaded:
                    result = loaded.run(Input(packet=bytes(64)))
                    answers[machine.name] = (result.fault, result.r0, loaded.read_map("jumps"))
            assert answers["interp"] == answers["kernel"], (contents, number)
            assert answers["portable"] == answers["kernel"], (contents, number)
            compared += 1
    print(f"{compared} tail calls on three machines")
    assert compared == 21


def test_program_arrays_answer_as_the_kernels_do() -> None:
    spec = jumps()
    system = System(spec, ["jumps"])
    dice, done = random.Random(3), []
    with closing(KERNEL.load(jumps(((0, "one"), (1, "two"), (2, "three"))), "p0", {})) as loaded:
        cut, jumping = KERNEL.load(spec, "cut", {}), loaded.map("jumps")
        named = {**jumping.named, "cut": cut.fd.number}
        user = Calls(OpenedMap(jumping.spec, jumping.fd, named))
        for index, name in enumerate((b"one", b"two", b"three")):
            assert system.maps["jumps"].sys_update(index.to_bytes(4, "little"), name) == 0
        for _ in range(800):
            names = ("one", "two", "three", "cut", "missing")
            what, found, wanted = _asked(dice, system.maps["jumps"], user, names)
            done.append(what)
            assert found == wanted, "\n".join(done[-8:])
        cut.close()
    print(f"{len(done)} operations on a program array")
    assert len(done) == 800


def test_a_program_and_a_map_of_one_name() -> None:
    """Both are numbered from 1 on and have names of their own: what stands in a map is told by what it can be."""
    inner = MapSpec("one", "hash", 4, 8, 3)
    maps = {
        "one": inner,
        "outer": MapSpec(
            "outer", "array_of_maps", 4, 4, 2, inner=replace(inner, name="outer.inner"), contents=((0, "one"),)
        ),
        "jumps": MapSpec("jumps", "prog_array", 4, 4, 2, contents=((1, "one"),)),
    }
    code = tuple(assemble("r1 = map[jumps]\n r1 = map[outer]\n r0 = 2\n exit"))
    spec = ObjectSpec({"one": ProgramSpec("one", "xdp", "xdp", code)}, maps)
    machines: list[Backend] = [KERNEL, Emulator("interp"), Emulator("portable")]
    for machine in machines:
        with closing(machine.load(spec, "one", {})) as loaded:
            found = {name: dict(loaded.read_map(name)) for name in ("outer", "jumps")}
        zero, first = (number.to_bytes(4, "little") for number in (0, 1))
        assert found == {"outer": {zero: b"one"}, "jumps": {first: b"one"}}, machine.name
