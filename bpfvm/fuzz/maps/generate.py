"""Sequences of operations by a seed: few keys, so that they meet, odd flags, maps that run full.

SHAPES has the declarations of every type that is fuzzed, LEFT_OUT says why others are not. Hashes have the seed 0, so
that keys come in one order on all machines and filters err on the same values.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from bpfvm.emulator.maps import TYPES
from bpfvm.fuzz.maps.operation import MAP, USER, Operation, Sequence, Value
from bpfvm.fuzz.maps.program import BATCH, KEY_TYPE, LOCKED_TYPE, TARGETS, operations
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, flag_bits

_SEEDED, _LOOSE, _OWN = flag_bits("zero_seed"), flag_bits("zero_seed no_prealloc"), flag_bits("zero_seed no_common_lru")
_TRIE, _RDONLY, _WRONLY = flag_bits("no_prealloc"), flag_bits("rdonly"), flag_bits("wronly")
_INNER = (
    MapSpec(f"{MAP}.inner", "array", 4, 8, 3),
    MapSpec(f"{MAP}.inner", "hash", 4, 12, 3, _SEEDED),
    MapSpec(f"{MAP}.inner", "array", 4, 5, 2, flag_bits("inner_map")),
)

Row = tuple[int, ...]  # key size, value size, max_entries, flags, map_extra, 1 for a lock in the value
_ROWS: Mapping[str, tuple[Row, ...]] = {
    "array": ((4, 8, 5), (4, 1, 3), (4, 20, 1), (4, 13, 40, flag_bits("mmapable")), (4, 8, 6, _RDONLY),
              (4, 16, 4, 0, 0, 1)),
    "percpu_array": ((4, 8, 5), (4, 3, 2), (4, 20, 7), (4, 8, 4, _WRONLY)),
    "hash": ((4, 8, 1, _SEEDED), (4, 8, 7, _SEEDED), (8, 16, 64, _SEEDED), (12, 4, 33, _LOOSE), (1, 3, 4, _LOOSE),
             (13, 5, 9, _SEEDED), (40, 24, 16, _LOOSE), (4, 8, 4, _SEEDED | _RDONLY), (4, 8, 4, _SEEDED | _WRONLY),
             (4, 16, 5, _SEEDED, 0, 1), (4, 16, 5, _LOOSE, 0, 1)),
    "percpu_hash": ((4, 8, 5, _SEEDED), (20, 12, 40, _LOOSE), (3, 1, 3, _SEEDED), (4, 8, 4, _LOOSE | _RDONLY)),
    "lru_hash": ((4, 8, 1, _SEEDED), (4, 8, 3, _SEEDED), (4, 8, 16, _SEEDED), (8, 16, 100, _SEEDED), (4, 8, 1, _OWN),
                 (7, 5, 16, _OWN), (4, 8, 101, _OWN)),
    "lru_percpu_hash": ((4, 8, 1, _SEEDED), (4, 8, 3, _SEEDED), (4, 8, 16, _SEEDED), (5, 20, 31, _OWN)),
    "lpm_trie": ((8, 8, 30, _TRIE), (5, 1, 4, _TRIE), (20, 12, 12, _TRIE), (260, 8, 9, _TRIE), (6, 3, 1, _TRIE),
                 (8, 4, 100, _TRIE), (8, 8, 8, _TRIE | _RDONLY), (8, 8, 8, _TRIE | _WRONLY)),
    "queue": ((0, 8, 5), (0, 1, 1), (0, 13, 40), (0, 4, 3, _RDONLY), (0, 4, 3, _WRONLY)),
    "stack": ((0, 8, 5), (0, 1, 1), (0, 13, 40), (0, 4, 3, _RDONLY), (0, 4, 3, _WRONLY)),
    "bloom_filter": ((0, 8, 10, _SEEDED), (0, 3, 1, _SEEDED, 1), (0, 4, 40, _SEEDED, 3), (0, 13, 77, _SEEDED, 15),
                     (0, 16, 33, _SEEDED, 2), (0, 4, 9, _SEEDED | _RDONLY), (0, 4, 9, _SEEDED | _WRONLY)),
    "array_of_maps": ((4, 4, 1), (4, 4, 5)),
    "hash_of_maps": ((4, 4, 1, _SEEDED), (4, 4, 5, _SEEDED), (7, 4, 4, _LOOSE)),
    "prog_array": ((4, 4, 1), (4, 4, 5)),
    "devmap": ((4, 4, 1), (4, 4, 5), (4, 8, 4), (4, 4, 3, _RDONLY)),
    "devmap_hash": ((4, 4, 1), (4, 4, 5), (4, 8, 4), (4, 8, 40)),
    "cpumap": ((4, 4, 1), (4, 4, 2), (4, 8, 2)),
}  # fmt: skip

LEFT_OUT: Mapping[str, str] = {
    "ringbuf": "what it holds are events, in the order of output, and no elements that could be asked for",
    "user_ringbuf": "user space writes into its memory, no operation of bpf(2) does",
    "perf_event_array": "its elements are perf events that user space opens, one a CPU",
    "stack_trace": "its elements are call stacks, which are a machine's own",
    "xskmap": "its elements are AF_XDP sockets that user space opens",
    "sockmap": "its elements are sockets that user space opens",
    "sockhash": "its elements are sockets that user space opens",
    "reuseport_sockarray": "its elements are sockets that user space opens",
    "cgroup_array": "its elements are cgroups of the machine",
    "sk_storage": "its keys are sockets that user space opens",
    "inode_storage": "its keys are files that user space opens",
    "task_storage": "its keys are processes of the machine",
    "cgrp_storage": "its keys are cgroups of the machine",
    "cgroup_storage": "its elements are there once a program is attached to a cgroup",
    "percpu_cgroup_storage": "its elements are there once a program is attached to a cgroup",
    "arena": "it is memory, and has no elements",
}

# what is stored for a target: device 1, which every machine has as the loopback device, or none; a queue's length
_TARGETS: Mapping[str, tuple[int, ...]] = {
    "device": (1, 1, 1, 0, 1 << 31), "cpu": (1, 64, 192, 16384, 0, 16385, 1 << 31),
}  # fmt: skip
_NO_PROGRAM = (0, 0, 0, 0xFFFF_FFFF, 77_777)  # in place of a program that runs at the target, the last one is an error
_FLAGS = (0,) * 12 + (1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 8, 1 << 32, 1 << 63)
_FEW_FLAGS = (0,) * 20 + (1, 2, 4, 8, 1 << 63)
_MOODS = (0.3, 1.0, 1.0, 3.0)  # how often an operation comes in one sequence, next to others
_WEIGHTS: Mapping[str, float] = {
    "update": 3, "push": 3, "inner_update": 2, "each": 0.3, "each_delete": 0.05, "next_key": 0.6, "first_key": 0.2,
    "contents": 0.05, "lookup_percpu": 0.7, "stale": 0.5, "store": 0.7, "pop": 1.5,
}  # fmt: skip
_WAITS = 0.02  # the same for what the kernel waits after until nobody reads what was there
_SWITCH = 0.1  # how likely another batch is on another CPU


def _shapes(name: str) -> tuple[MapSpec, ...]:
    inner = _INNER if BY_NAME[name].inner else (None,)
    return tuple(replace(_shape(name, *row), inner=one) for row in _ROWS[name] for one in inner)


def _shape(
    name: str, key: int, value: int, entries: int, flags: int = 0, extra: int = 0, locked: int = 0
) -> MapSpec:  # fmt: skip
    types = (KEY_TYPE, LOCKED_TYPE) if locked else (0, 0)
    return MapSpec(MAP, name, key, value, entries, flags, *types, extra=extra)


SHAPES: Mapping[str, tuple[MapSpec, ...]] = {name: _shapes(name) for name in _ROWS if name in TYPES}


def sequence(kind: str, seed: int, number: int, length: int, cpus: int) -> Sequence:
    """Sequence `number` of `seed` on a map of type `kind`: the same for the same arguments."""
    name = f"{kind}:{seed}:{number}"
    dice = random.Random(name)
    shapes = SHAPES[kind]
    spec = shapes[number % len(shapes)]
    beside = _beside(spec)
    maker = _Maker(dice, spec, beside, cpus)
    done = maker.start()[:length]
    while len(done) < length:
        done += maker.batch(length - len(done))
    return Sequence(name, spec, tuple(done), beside)


def _beside(spec: MapSpec) -> tuple[MapSpec, ...]:
    """Maps that may stand in a map of maps, and one that may not."""
    if spec.inner is None:
        return ()
    alike = [MapSpec(name, spec.inner.type, *_sizes(spec.inner), spec.inner.flags) for name in ("i1", "i2", "i3")]
    return (*alike, MapSpec("other", spec.inner.type, 4, spec.inner.value_size + 8, 3, spec.inner.flags))


def _sizes(spec: MapSpec) -> tuple[int, int, int]:
    return spec.key_size, spec.value_size, spec.max_entries


class _Maker:
    """Makes operations for one map."""

    def __init__(self, dice: random.Random, spec: MapSpec, beside: tuple[MapSpec, ...], cpus: int) -> None:
        self._dice, self._spec, self._cpus, self._cpu = dice, spec, cpus, 0
        self._row = BY_NAME[spec.type]
        self._sides = {"program": operations(spec), "user": USER}
        self._weights = {
            side: [_WEIGHTS.get(name, 1.0) * dice.choice(_MOODS) * (_WAITS if self._waits(side, name) else 1.0)
                   for name in names]
            for side, names in self._sides.items()
        }  # fmt: skip
        self._names = [one.name.encode() for one in beside]
        if spec.type == "prog_array":
            self._names = [name.encode() for name in TARGETS]
        self._values = [dice.randbytes(spec.value_size) for _ in range(2 * spec.max_entries + 20)]

    def _waits(self, side: str, name: str) -> bool:
        slow = self._spec.inner is not None or self._spec.type == "cpumap"
        return side == "user" and slow and name in ("update", "delete")

    def start(self) -> list[Operation]:
        """What comes first: maps into a map of maps, which is mostly empty else."""
        if self._spec.inner is None:
            return []
        return [Operation("user", "update", self._numbered(number), self._dice.choice(self._names[:-1]))
                for number in range(self._spec.max_entries)]  # fmt: skip

    def batch(self, most: int) -> list[Operation]:
        """Operations of one side on one CPU."""
        dice = self._dice
        if dice.random() < _SWITCH:
            self._cpu = dice.randrange(self._cpus)
        side = dice.choice(("program", "user"))
        count = min(most, dice.choice((1, 2, 3, 8, BATCH)))
        return [self._operation(side) for _ in range(count)]

    def _operation(self, side: str) -> Operation:
        dice, spec = self._dice, self._spec
        name = dice.choices(self._sides[side], self._weights[side])[0]
        stores = name in ("update", "push", "stale", "inner_update") and not self._waits(side, name)
        odd = _FLAGS if stores else _FEW_FLAGS
        flags = dice.choice(odd)
        if spec.type == "bloom_filter" and name == "peek":
            flags = 0
        number = 0
        if name == "lookup_percpu":
            number = dice.choice((*range(self._cpus), self._cpus, 1 << 31, 1 << 32, (1 << 32) + 1))
        elif name.startswith("inner"):
            number = dice.choice((0, 1, 2, 3, 4, 0xFFFF_FFFF))
        elif name.startswith("each"):
            number = dice.randrange(2)
        return Operation(side, name, self._key(), self._value(side), flags, number, self._cpu)

    def _key(self) -> bytes:
        dice, size = self._dice, self._spec.key_size
        if not size:
            return b""
        if self._spec.type == "lpm_trie":
            return self._prefix(size - 4)
        entries = self._spec.max_entries
        most = max(entries + entries // 2, 3)
        number = dice.choice((dice.randrange(most), dice.randrange(most // 2 + 1), entries))
        if dice.random() < 0.04:
            number = dice.choice((0xFFFF_FFFF, 0x8000_0000))
        return self._numbered(number)

    def _numbered(self, number: int) -> bytes:
        size = self._spec.key_size
        head = (number & ((1 << 8 * size) - 1)).to_bytes(max(size, 4), "little")[:size]
        return head[:4] + bytes((number * at) & 0xFF for at in range(len(head[4:])))

    def _prefix(self, size: int) -> bytes:
        """Of few bits, or nearly all of them, in data of few patterns."""
        dice, most = self._dice, 8 * size
        length = dice.choice((dice.randrange(most + 1), dice.randrange(min(most, 12) + 1), most, most - 1))
        if dice.random() < 0.02:
            length = dice.choice((most + 1, 0xFFFF_FFFF))
        data = bytes(dice.choice((0, 0, 0x80, 0x40, 0x81, 0xFF)) for _ in range(min(size, 4)))
        tail = dice.choice((0, 0, 1)).to_bytes(1, "little") * max(size - 4, 0)
        return length.to_bytes(4, "little") + data + tail

    def _value(self, side: str) -> Value:
        dice, spec = self._dice, self._spec
        if side == "user" and self._names:
            return dice.choice((*self._names, b"missing") if dice.random() < 0.2 else self._names[:3])
        if self._row.holds in _TARGETS:
            first = dice.choice(_TARGETS[self._row.holds])
            return (first.to_bytes(4, "little") + dice.choice(_NO_PROGRAM).to_bytes(4, "little"))[: spec.value_size]
        if side == "user" and self._row.per_cpu:
            return [dice.randbytes(spec.value_size) for _ in range(self._cpus)]
        if spec.type == "bloom_filter":
            return dice.choice(self._values)
        return dice.randbytes((spec.inner or spec).value_size)
