"""Probes that load a program: of each type and attach type, with each helper, with each kind of instruction.

Nothing stays open, and nothing is attached. Some kernels take an attach type at load that they do not know; there a
second question is asked, with a target that is none: who knows the attach type complains of the target (EBADF,
ENODEV), who does not, of the attach type (EINVAL).
"""

from __future__ import annotations

import ctypes
import functools
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpfvm.core.errors import BpfvmError
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME as OPS
from bpfvm.kernel.host import privilege
from bpfvm.kernel.probes import link as probes_link
from bpfvm.kernel.probes import map as probes_map
from bpfvm.kernel.probes.answers import YES, Answer, Logged, absent, forbidden, refused, running, unknown, words
from bpfvm.kernel.sys import PROG_LOAD, Fd, ProgLoad, address, bpf
from bpfvm.obj.btf.types import Func, Struct, Typedef
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.features import Feature
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

SLEEPABLE, FRAGS = 1 << 4, 1 << 5  # BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS
_LICENSE = b"GPL\0"
_LOG = ctypes.create_string_buffer(1 << 15)
_LARGE = 4097  # BPF_MAXINSNS and one

# What a program of this type or attach type is loaded for: candidates in the kernel's BTF, of which no one is attached
_TARGETS: Mapping[str, tuple[type[Func] | type[Typedef], tuple[str, ...]]] = {
    "trace_raw_tp": (Typedef, ("btf_trace_sched_switch", "btf_trace_sys_enter")),
    "trace_iter": (Func, ("bpf_iter_task", "bpf_iter_bpf_map")),
    "trace_fentry": (Func, ("bpf_fentry_test1", "vfs_read")),
    "trace_fexit": (Func, ("bpf_fentry_test1", "vfs_read")),
    "modify_return": (Func, ("bpf_modify_return_test",)),
    "lsm_mac": (Func, ("bpf_lsm_file_open",)),
    "lsm_cgroup": (Func, ("bpf_lsm_socket_bind",)),
}
_DEFAULTS = {"xdp": "xdp"}  # where a type is loaded for, when that is not the first of its attach types
_STRUCT_OPS, _MEMBER = "tcp_congestion_ops", "ssthresh"


@dataclass(frozen=True, slots=True)
class Place:
    """A way to load programs: numbers of struct bpf_attr. least: an r0 that the verifier takes at exit."""

    type: int
    attach: int = 0
    flags: int = 0
    btf_id: int = 0
    least: int = 0

    @property
    def end(self) -> tuple[Insn, ...]:
        """The smallest program."""
        return insn("mov64_k", 0, imm=self.least), insn("exit")


def load(place: Place, code: Sequence[Insn], log: bool = True, **fields: int | bytes) -> Fd:
    """Load. log: ask for the verifier's. fields: more of struct ProgLoad. Raises Logged."""
    data = encode(code, sys.byteorder)
    _LOG[0] = b"\0"
    attr = ProgLoad(
        prog_type=place.type, insn_cnt=len(data) // SLOT, insns=address(data), license=address(_LICENSE),
        prog_flags=place.flags, expected_attach_type=place.attach, attach_btf_id=place.btf_id, **fields,
    )  # fmt: skip
    if log:
        attr.log_level, attr.log_size, attr.log_buf = 1, len(_LOG), ctypes.addressof(_LOG)
    try:
        return Fd(bpf(PROG_LOAD, attr))
    except OSError as error:
        raise Logged(error.errno or 0, _LOG.value.decode(errors="replace")) from None


@functools.cache
def place_of(program_type: str, attach_type: str = "") -> Place | Answer:
    """Where programs of the type load; an unknown where the kernel's BTF has no target."""
    row = PROGRAM_TYPES[program_type]
    if not attach_type and row.attach_types and row.name != "struct_ops":
        attach_type = _DEFAULTS.get(row.name, row.attach_types[0].name)
    number = ATTACH_TYPES[attach_type].number if attach_type else 0
    least = (row.return_range(attach_type or None) or (0, 0))[0]
    place = Place(row.number, number, SLEEPABLE if row.sleepable else 0, least=least)
    try:
        if row.name == "struct_ops":
            return _struct_ops(place)
        if attach_type not in _TARGETS:
            return place
        kind, names = _TARGETS[attach_type]
        found = next((one for one in map(functools.partial(running().types.find, kind), names) if one), None)
    except BpfvmError as error:
        return unknown(f"no target can be named: {error}")
    if found is None:
        return absent(f"the kernel's BTF has none of {', '.join(names)} to load such a program for", ())
    return Place(place.type, place.attach, place.flags, found, least)


def _struct_ops(place: Place) -> Place | Answer:
    types = running().types
    number = types.find(Struct, _STRUCT_OPS)
    table = types[number] if number else None
    if not number or not isinstance(table, Struct):
        return absent(f"the kernel's BTF has no {_STRUCT_OPS} to load such a program for", ())
    index = [one.name for one in table.members].index(_MEMBER)
    return Place(place.type, index, place.flags, number)


def program(feature: Feature, type: str, attach_type: str = "", only: str = "") -> Answer:
    """Programs of a type, at an attach type. only: "link" where the question is the link alone."""
    if type == "ext":
        return _extension(feature)
    if type == "unspec":
        return absent("no kernel takes programs of type unspec", ())
    place = place_of(type, attach_type)
    if isinstance(place, Answer):
        return place
    try:
        with load(place, place.end) as fd:
            return probes_link.accepted(fd.number, attach_type, bool(only), feature)
    except OSError as error:
        return refused(error, feature.config, PROGRAM_TYPES[type].needs)


def helper(feature: Feature, type: str, name: str, attach_type: str = "") -> Answer:
    """Whether programs of a type may call a helper, in the verifier's words."""
    place = place_of(type, attach_type)
    if isinstance(place, Answer):
        return place
    try:
        load(place, (insn("call", imm=HELPERS[name].id), *place.end)).close()
    except OSError as error:
        return _of_call(error, feature, name)
    return YES


# kernel/bpf/verifier.c, check_helper_call: since 6.14 "program of this type cannot use helper", before "unknown func"
_NO_CALL = ("cannot use helper", "unknown func", "not supported for program type", "not allowed in probe")
_NO_HELPER = ("invalid func",)
# kernel/trace/bpf_trace.c: helpers that security_locked_down() takes away, by the level that does
_LOCKED = {"probe_write_user": "integrity", "probe_read_kernel": "confidentiality"}


def _of_call(error: OSError, feature: Feature, name: str) -> Answer:
    log = getattr(error, "log", "")
    if not log.strip():
        return refused(error, feature.config, feature.needs)
    if any(text in log for text in _NO_HELPER):
        return absent(f"this kernel has no helper {name}: {words(log)}", ())
    if name in _LOCKED and any(text in log for text in _NO_CALL):
        if privilege.lacking(("CAP_SYS_ADMIN",)):
            return forbidden("its call is refused", ("CAP_SYS_ADMIN",))
        return Answer(False, f"the kernel is locked down ({_LOCKED[name]}): {words(log)}", "policy")
    said = next((line.strip() for line in log.splitlines() if any(text in line for text in _NO_CALL)), None)
    return absent(said, feature.config) if said is not None else YES  # it complains of the arguments


def code(feature: Feature, name: str) -> Answer:
    """A program with one thing that old kernels lack: an instruction by its row, or a form of program."""
    place = Place(PROGRAM_TYPES["socket_filter"].number)
    try:
        if name in OPS and name not in _FORMS:
            load(place, _with(name)).close()
        else:
            _FORMS[name](place)
    except OSError as error:
        return refused(error, feature.config, feature.needs)
    return YES


def _with(name: str) -> tuple[Insn, ...]:
    """A program that executes the instruction `name`."""
    start = (insn("mov64_k", 0), insn("mov64_k", 1, imm=1), insn("stx64", 10, 0, -8))
    match name:
        case "may_goto" | "jlt64_k" | "jeq32_k":
            return (*start, insn(name, 0, off=1), insn("mov64_k", 0), insn("exit"))  # 6.12 takes no may_goto by 0
        case "load_acquire64":
            return (*start, insn(name, 0, 10, -8), insn("exit"))
        case "atomic_fetch_add64":
            return (*start, insn(name, 10, 1, -8), insn("exit"))
    return (*start, insn(name, 0, 1), insn("exit"))


def _named(place: Place) -> None:
    load(place, place.end, prog_name=b"bpfvm_probe").close()


def _large(place: Place) -> None:
    load(place, (*[insn("mov64_k", 0)] * _LARGE, insn("exit")), log=False).close()  # a log has no room for all


def _loop(place: Place) -> None:
    body = (insn("mov64_k", 0, imm=10), insn("sub64_k", 0, imm=1), insn("jne64_k", 0, off=-2, imm=0), insn("exit"))
    load(place, body).close()


_CALL = (insn("call_local", imm=1), insn("exit"), insn("mov64_k", 0), insn("exit"))


def _local_call(place: Place) -> None:
    load(place, _CALL).close()


def _functions(place: Place, linkages: tuple[int, ...]) -> None:
    """A program with func_info: an entry function and, with two linkages, a function that it calls."""
    with Fd(probes_map.btf_of_functions(linkages)) as types:
        starts = (0, 2)[: len(linkages)]
        first = probes_map.FIRST_FUNCTION
        records = b"".join(struct.pack("=II", slot, first + number) for number, slot in enumerate(starts))
        load(
            place, _CALL if len(linkages) == 2 else place.end, prog_btf_fd=types.number, func_info_rec_size=8,
            func_info=address(records), func_info_cnt=len(linkages),
        ).close()  # fmt: skip


def _pointer_argument(place: Place) -> None:
    """A global function that is lent four bytes of its caller's stack."""
    with Fd(probes_map.btf_of_functions((1, 1), "bpfvm_lent")) as types:
        first = probes_map.FIRST_FUNCTION
        start = (insn("mov64_x", 1, 10), insn("add64_k", 1, imm=-8), insn("st64", 10, off=-8))
        records = b"".join(struct.pack("=II", slot, first + number) for number, slot in enumerate((0, len(start) + 2)))
        load(
            place, (*start, *_CALL), prog_btf_fd=types.number, func_info_rec_size=8, func_info=address(records),
            func_info_cnt=2,
        ).close()  # fmt: skip


def _lent_key(place: Place) -> None:
    """A record of a ring buffer as the key of a look-up."""
    with Fd(probes_map.create("ringbuf")) as ring, Fd(probes_map.create("hash")) as table:
        load(place, (
            insn("lddw_map", 1, imm=ring.number), insn("mov64_k", 2, imm=8), insn("mov64_k", 3),
            insn("call", imm=HELPERS["ringbuf_reserve"].id), insn("jne64_k", 0, off=1), insn("exit"),
            insn("mov64_x", 6, 0), insn("st64", 6),
            insn("lddw_map", 1, imm=table.number), insn("mov64_x", 2, 6),
            insn("call", imm=HELPERS["map_lookup_elem"].id),
            insn("mov64_x", 1, 6), insn("mov64_k", 2), insn("call", imm=HELPERS["ringbuf_discard"].id),
            insn("mov64_k", 0), insn("exit"),
        )).close()  # fmt: skip


def _sleepable_queue(_: Place) -> None:
    """A program of type syscall, which may wait, with a queue."""
    place = Place(PROGRAM_TYPES["syscall"].number, flags=SLEEPABLE)
    with Fd(probes_map.create("queue")) as queue:
        load(place, (insn("lddw_map", 1, imm=queue.number), *place.end)).close()


def _line_info(place: Place) -> None:
    with Fd(probes_map.btf_of_functions((1,))) as types:
        functions = struct.pack("=II", 0, probes_map.FIRST_FUNCTION)
        lines = struct.pack("=IIII", 0, 1, 1, 1 << 10)  # names at offset 1 of the strings, line 1
        load(
            place, place.end, prog_btf_fd=types.number, func_info_rec_size=8, func_info=address(functions),
            func_info_cnt=1, line_info_rec_size=16, line_info=address(lines), line_info_cnt=1,
        ).close()  # fmt: skip


def _flagged(type: str, flags: int) -> Callable[[Place], None]:
    def attempt(_: Place) -> None:
        one = Place(PROGRAM_TYPES[type].number, flags=flags)
        load(one, one.end).close()

    return attempt


def _global_data(place: Place) -> None:
    with Fd(probes_map.create("array")) as array:
        load(place, (insn("lddw_map_value", 1, imm=array.number), insn("ldx32", 0, 1), insn("exit"))).close()


_FORMS: Mapping[str, Callable[[Place], None]] = {
    "name": _named,
    "large": _large,
    "loop": _loop,
    "local_call": _local_call,
    "func_info": lambda place: _functions(place, (1,)),
    "line_info": _line_info,
    "global_function": lambda place: _functions(place, (1, 1)),
    "pointer_argument": _pointer_argument,
    "lent_key": _lent_key,
    "sleepable_queue": _sleepable_queue,
    "sleepable": _flagged("kprobe", SLEEPABLE),
    "frags": _flagged("xdp", FRAGS),
    "lddw_map_value": _global_data,
}


def _extension(feature: Feature) -> Answer:
    """A program to replace a function of another one; both are closed again."""
    xdp, ext = Place(PROGRAM_TYPES["xdp"].number), PROGRAM_TYPES["ext"]
    first = probes_map.FIRST_FUNCTION
    records = struct.pack("=II", 0, first)
    try:
        with Fd(probes_map.btf_of_functions((1,), "xdp_md")) as types:
            info: dict[str, Any] = {
                "prog_btf_fd": types.number, "func_info_rec_size": 8, "func_info": address(records), "func_info_cnt": 1,
            }  # fmt: skip
            with load(xdp, xdp.end, **info) as target:
                load(Place(ext.number, btf_id=first), xdp.end, attach_prog_fd=target.number, **info).close()
    except OSError as error:
        return refused(error, feature.config, ext.needs)
    return YES
