"""Helpers that call a function of the program while they run: what they pass to it, in front of its own context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.tables.helpers import BY_NAME
from bpfvm.tables.helpers.row import Arg

# What bpf_for_each_map_elem goes through (the types with map_for_each_callback in struct bpf_map_ops, Linux 6.18)
WALKED = frozenset({"array", "percpu_array", "hash", "lru_hash", "percpu_hash", "lru_percpu_hash"})
MOST_MESSAGES = 128 * 1024  # that one call of bpf_user_ringbuf_drain takes out (BPF_MAX_USER_RINGBUF_SAMPLES)


@dataclass(frozen=True, slots=True)
class Callback:
    """What one helper passes. names: of the parameters before the context. kinds: what each is: "number", "map", "key"
    and "value" (addresses in an element of the map), "object" (of the kernel's), "dynptr". structs: of the objects."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    structs: tuple[str, ...] = ()


CALLBACKS: Mapping[str, Callback] = {
    "loop": Callback(("index",), ("number",)),
    "for_each_map_elem": Callback(("map", "key", "value"), ("map", "key", "value")),
    "find_vma": Callback(("task", "vma"), ("object", "object"), ("task_struct", "vm_area_struct")),
    "user_ringbuf_drain": Callback(("record",), ("dynptr",)),
}


def places(helper: str) -> tuple[int, int]:
    """Which arguments of the helper are the function and the function's context."""
    kinds = BY_NAME[helper].args
    return kinds.index(Arg.FUNC), kinds.index(Arg.STACK_OR_NULL)
