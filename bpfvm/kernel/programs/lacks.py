"""What the running kernel lacks of what an object uses, found by use and only after something was refused.

A kernel that takes an object is asked nothing. `attempted` is the one place where a load is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bpfvm.core.errors import BpfvmError, UsageError
from bpfvm.kernel.programs.workarounds import READS, Lacks, without
from bpfvm.obj.model import ObjectSpec

T = TypeVar("T")

_ABSENT = ("absent", "configuration")  # a no of the kernel's own; what a host forbids is not worked round
_ALWAYS = ("prog_names", "map_names", "func_info", "line_info")
_DATA = ("global_data", "map_mmap")
KINDS = (
    "btf_func", "btf_datasec", "btf_global_func", "btf_float", "btf_decl_tag", "btf_type_tag", "btf_enum64",
)  # fmt: skip


def attempted(spec: ObjectSpec, build: Callable[[ObjectSpec, Lacks], T]) -> T:
    """What `build` makes of `spec`; where it fails and the kernel lacks what the object uses, what it makes of the
    object without that. The first error counts where nothing is lacking."""
    try:
        return build(spec, frozenset())
    except UsageError:
        raise
    except BpfvmError as error:
        first = error
    raised, lacks = raise_memory_limit(), lacking(*used(spec))
    if not raised and not lacks:
        raise first
    return build(without(spec, lacks), lacks)


def used(spec: ObjectSpec) -> tuple[str, ...]:
    """The features that loading the object as it is takes, and that it could be loaded without, or be told to lack."""
    kinds = {one.type for one in spec.maps.values()}
    kinds |= {one.inner.type for one in spec.maps.values() if one.inner is not None}
    calls = {one.imm for program in spec.programs.values() for one in program.insns if one.op.name == "call"}
    return (
        *_ALWAYS,
        *(_DATA if any(one.initial is not None for one in spec.maps.values()) else ()),
        *(("probe_read_kernel",) if calls & set(READS) else ()),
        *(f"map/{kind}" for kind in sorted(kinds)),
    )


def lacking(*names: str) -> Lacks:
    """Those features that the kernel does not have. Names that mean nothing to the tables are passed over."""
    from bpfvm.kernel import features

    found = set()
    for name in names:
        try:
            answer = features.probe(name)
        except UsageError:
            continue
        if answer.have is False and answer.cause in _ABSENT:
            found.add(name)
    return frozenset(found)


def raise_memory_limit() -> bool:
    """Kernels before 5.11 count maps and programs against RLIMIT_MEMLOCK, 64 KiB as a rule: as libbpf does, take it
    away there. Whether it was. Such a kernel is known by a helper that came with the other way of counting."""
    from bpfvm.kernel import features

    answer = features.helper("socket_filter", "ktime_get_coarse_ns")
    if answer.have is not False or answer.cause != "absent":
        return False
    import resource

    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):  # without CAP_SYS_RESOURCE
        return False
    return True
