"""What is the kernel's inside of map values: which map types hold it; user space neither sees nor sets it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from bpfvm.emulator.maps import TYPES
from bpfvm.emulator.maps.fields import HOLDERS, STRUCTS, special_fields
from bpfvm.emulator.system import System
from bpfvm.kernel.maps.calls import Answer, Calls
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.programs.types import ObjectTypes
from bpfvm.kernel.sys import MAP_CREATE, Fd, MapCreate, bpf
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int, Member, Ptr, Struct, Type, TypeTag
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.maps import BY_NAME, flag_bits
from kernel_tests.loading import release

SIZES = {"bpf_spin_lock": 4, "bpf_res_spin_lock": 4, "bpf_timer": 16, "bpf_wq": 16, "bpf_task_work": 8,
         "bpf_refcount": 4}  # fmt: skip
TAGS = ("kptr_untrusted", "kptr")
UNSEEN = ("bpf_list_head", "bpf_rb_root", "percpu_kptr", "uptr")  # need declarations of what they hold
NUMBER, SIZE = 1, 32  # the type of plain members; bytes of a value: u32, the field from byte 8 on, u32 at byte 24
TRIED = ("hash", "array", "lru_hash", "percpu_hash", "percpu_array", "lru_percpu_hash", "lpm_trie", "queue", "stack",
         "bloom_filter")  # fmt: skip
FLAGS = (0, 0, 0, 1, 2, 4, 4, 5, 6, 8)

pytestmark = pytest.mark.skipif(
    release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"
)


def value_type(*fields: str) -> Btf:
    """Type 2: a value with these fields, one at byte 8 and one at byte 16 where there are two."""
    types: list[Type] = [Int("unsigned int", 4, 32), Struct("value", SIZE, ())]
    members = [Member("first", NUMBER, 0)]
    for at, name in zip((8, 16), fields, strict=False):
        if name in TAGS:
            types += [Struct("task_struct", 0, ()), TypeTag(name, len(types) + 1), Ptr(len(types) + 2)]
        else:
            inside = tuple(Member(f"w{word}", NUMBER, 32 * word) for word in range(SIZES[name] // 4))
            types.append(Struct(name, SIZES[name], inside))
        members.append(Member(name, len(types), at * 8))
    types[1] = Struct("value", SIZE, (*members, Member("last", NUMBER, 24 * 8)))
    return Btf(types)


def declared(kind: str, flags: int = 0) -> MapSpec:
    row = BY_NAME[kind]
    key = 0 if row.key_size == 0 else 8 if kind == "lpm_trie" else 4
    return MapSpec("m", kind, key, SIZE, 6, row.required_flags | flags, key_type=NUMBER if key == 4 else 0,
                   value_type=2)  # fmt: skip


@contextmanager
def in_kernel(btf: Btf) -> Iterator[int]:
    with closing(ObjectTypes(ObjectSpec({}, {}, btf))) as types:
        assert types.number, "the kernel refuses these types by themselves"
        yield types.number


def test_which_maps_hold_which_fields() -> None:
    compared, wrong = 0, []
    for name in (*SIZES, *TAGS):
        btf = value_type(name)
        with in_kernel(btf) as number:
            for kind in TRIED:
                spec = declared(kind)
                attr = MapCreate(
                    map_type=BY_NAME[kind].number, key_size=spec.key_size, value_size=SIZE, max_entries=6,
                    map_flags=spec.flags, btf_fd=number, btf_key_type_id=spec.key_type, btf_value_type_id=2,
                )  # fmt: skip
                try:
                    Fd(bpf(MAP_CREATE, attr)).close()
                except OSError:
                    taken = False
                else:
                    taken = True
                what = STRUCTS.get(name, "reference")
                compared += 1
                if spec.key_type and taken != (kind in HOLDERS[what]):
                    wrong.append(f"{name} in {kind}: the kernel {'takes' if taken else 'refuses'} it")
                if bool(special_fields(spec, btf)) != (kind in HOLDERS[what]):
                    wrong.append(f"{name} in {kind}: emulated otherwise than the table says")
    print(f"{compared} fields in map types; not tried: {', '.join(UNSEEN)}")
    assert not wrong, "\n".join(wrong)
    assert compared >= 80


HELD = [
    ("hash", ("bpf_spin_lock",), 0), ("hash", ("bpf_timer",), 0), ("hash", ("bpf_timer",), flag_bits("no_prealloc")),
    ("hash", ("bpf_timer", "kptr"), 0), ("hash", ("kptr", "bpf_refcount"), 0),
    ("hash", ("kptr", "bpf_spin_lock"), 0), ("hash", ("bpf_refcount",), 0), ("array", ("bpf_spin_lock",), 0),
    ("array", ("bpf_wq",), 0), ("array", ("kptr",), 0), ("lru_hash", ("bpf_timer",), 0),
    ("lru_hash", ("kptr_untrusted",), 0), ("percpu_hash", ("kptr",), 0), ("percpu_array", ("kptr",), 0),
    ("lru_percpu_hash", ("kptr",), 0), ("percpu_hash", ("bpf_spin_lock",), 0), ("lru_hash", ("bpf_spin_lock",), 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "flags"), HELD)
def test_user_space_neither_sees_nor_sets_them(kind: str, fields: tuple[str, ...], flags: int) -> None:
    """Bytes that were never written stay out of the comparison by writing every byte of a value."""
    btf, dice = value_type(*fields), random.Random(f"{kind} {fields}")
    seeded = flag_bits("zero_seed") if "hash" in kind else 0
    spec = declared(kind, flags | seeded)
    cpus = possible_cpus()
    system = System(ObjectSpec({}, {"m": spec}, btf), ["m"], cpus)
    with in_kernel(btf) as number, closing(KernelMap(replace(spec), number)) as made:
        user, store, done = Calls(made), system.maps["m"], []
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {0})
        for _ in range(400):
            key = dice.randrange(8).to_bytes(4, "little")
            value: bytes | list[bytes] = dice.randbytes(SIZE)
            if BY_NAME[kind].per_cpu:
                value = [dice.randbytes(SIZE) for _ in range(cpus)]
            flag = dice.choice(FLAGS)
            operation = dice.choice(("lookup", "update", "update", "delete", "pop"))
            done.append(f"{operation} {key.hex()} {flag}")
            found, wanted = (_asked(side, operation, key, value, flag) for side in (store, user))
            assert found == wanted, "\n".join([*done[-9:], str(found), str(wanted)])
        os.sched_setaffinity(0, before)
    assert kind in TYPES
    assert len(done) == 400


def _asked(side: object, operation: str, key: bytes, value: bytes | list[bytes], flags: int) -> Answer:
    method = {"lookup": "sys_lookup", "pop": "sys_lookup_and_delete", "delete": "sys_delete"}.get(operation)
    if method is None:
        answer: Answer = side.sys_update(key, value, flags)  # type: ignore[attr-defined]
    elif operation == "delete":
        answer = side.sys_delete(key)  # type: ignore[attr-defined]
    else:
        answer = getattr(side, method)(key, flags)
    return answer
