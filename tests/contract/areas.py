# mypy: disable-error-code="no-untyped-def, attr-defined"
"""A program that asks for an area of its task's memory: compared with scripted tasks, and with a real one."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, bpf, current, s64, struct, u64


@struct
class Found:
    """What the function saw."""

    start: u64 = 0
    end: u64 = 0
    pid: u64 = 0
    maps: u64 = 0
    got: s64 = 0


wanted = Array(u64, 2)
found = Array(Found, 2)


def seen(task: Any, vma: Any, one: Any) -> int:
    one.start = vma.vm_start
    one.end = vma.vm_end
    one.maps = vma.vm_mm.map_count
    one.pid = task.tgid
    return 1


def ask() -> None:
    """Put what `wanted` names into `found`."""
    one = Found()
    one.got = bpf.helper.find_vma(current(), wanted[0], seen, one, wanted[1])
    found[0] = one
