"""One program into the kernel: its instructions bound to descriptors, then BPF_PROG_LOAD.

The first load asks for no log, because writing one costs more than verifying. Only a program that was refused is
loaded again with a buffer, which grows until the whole log fits.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.kernel.host import privilege
from bpfvm.kernel.host.modules import Target
from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.maps.map import KernelMap, kernel_name
from bpfvm.kernel.programs.rejection import rejection
from bpfvm.kernel.programs.types import Records, pointer
from bpfvm.kernel.programs.workarounds import Lacks
from bpfvm.kernel.sys import PROG_LOAD, Fd, ProgLoad, address, bpf, error_name, error_text
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.progs import BY_NAME, ProgramType
from bpfvm.tables.sections import Section, of_section

_SLEEPABLE, _FRAGS = 1 << 4, 1 << 5  # BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS
_MAPS, _PLACES = ("lddw_map", "lddw_map_value"), {"lddw_map_idx": "lddw_map", "lddw_map_idx_value": "lddw_map_value"}

_LICENSE_BYTES = 128  # bpf_prog_load copies this much, with the closing zero
_FIRST_LOG = 1 << 16
_STATISTICS = 4  # BPF_LOG_STATS
_LARGEST_LOG = (1 << 30) - 1  # UINT_MAX >> 2, bpf_verifier_log_attr_valid
_TRIES = 5  # of a load that a signal interrupted: the verifier then gives up with EAGAIN


class Refused(Exception):
    """The kernel's no to BPF_PROG_LOAD: its errno, and what the verifier wrote ("" where it was never asked)."""

    def __init__(self, number: int, log: str) -> None:
        super().__init__(error_name(number))
        self.number, self.log = number, log


def chosen(spec: ObjectSpec, program: str) -> tuple[ProgramSpec, ProgramType]:
    """A program of `spec` and its type. UsageError, LoadError or Unavailable for one that no kernel is asked about."""
    one = spec.programs.get(program)
    if one is None:
        raise UsageError(f"there is no program {program!r}; the programs are {', '.join(spec.programs) or 'none'}")
    row = BY_NAME.get(one.type)
    if row is None:
        raise Unavailable(f"{program}: there is no program type {one.type!r}")
    if row.name == "unspec":
        raise LoadError(
            f"{program}: section {one.section!r} does not tell the program's type; name the section as the type is "
            'named ("xdp", "tc"), or replace the type in the ObjectSpec'
        )
    if spec.endian != BYTE_ORDER:
        raise LoadError(f"{program}: the object is {spec.endian}-endian, and this kernel is {BYTE_ORDER}-endian")
    if not one.insns:
        raise LoadError(f"{program}: a program needs at least one instruction, and this one has none")
    return one, row


def map_names(program: ProgramSpec, maps: Iterable[str]) -> tuple[str, ...]:
    """Names of the maps that a load needs: those that instructions name, and those that they count (`maps`: all)."""
    names, known = list(program.map_names), tuple(maps)
    for slot, one in zip(slots(program.insns), program.insns, strict=False):
        if one.op.name in _PLACES:
            names.append(_counted(program.name, slot, one, known))
    return tuple(dict.fromkeys(names))


KERNEL_ITSELF = Target()


def load_program(
    program: ProgramSpec, license: str, maps: Mapping[str, KernelMap], known: Iterable[str], records: Records,
    target: Target = KERNEL_ITSELF, modules: Sequence[int] = (), lacks: Lacks = frozenset(),
    told: dict[str, str] | None = None,
) -> Fd:  # fmt: skip
    """BPF_PROG_LOAD. maps: those that `map_names` tells; known: all names. records: func_info and line_info.

    target: what it is loaded for. modules: descriptors of the types that kfuncs count from 1. told: where the
    verifier's statistics go, by the program's name. Raises the error that users meet.
    """
    row = BY_NAME[program.type]
    code = encode(_bound(program, maps, tuple(known), modules), BYTE_ORDER)
    words = _license(license)
    table = (ctypes.c_int32 * (len(modules) + 1))(0, *modules)
    attr = attributes(program, row, records, target, lacks)
    attr.insns, attr.insn_cnt, attr.license = address(code), len(code) // SLOT, address(words)
    if modules:
        attr.fd_array = ctypes.addressof(table)
    try:
        return submit(attr) if told is None else _counted_load(attr, program.name, told)
    except Refused as refused:
        raise explained(refused, program, row) from None


def attributes(program: ProgramSpec, row: ProgramType, records: Records, target: Target, lacks: Lacks) -> ProgLoad:
    """The attributes that are no instructions. The caller keeps `records`, whose bytes they point to."""
    section = of_section(program.section)
    attr = ProgLoad(
        prog_type=row.number, prog_flags=_flags(row, section), expected_attach_type=_attach_type(row, section),
        attach_btf_id=target.id, attach_prog_fd=target.module,
    )  # fmt: skip
    if target.member is not None:
        attr.expected_attach_type = target.member
    if "prog_names" not in lacks:
        attr.prog_name = kernel_name(program.name)
    if records.functions and "func_info" not in lacks:
        attr.prog_btf_fd = records.btf
        attr.func_info, attr.func_info_rec_size = pointer(records.functions), records.function_size
        attr.func_info_cnt = len(records.functions) // records.function_size
        if records.lines and "line_info" not in lacks:
            attr.line_info, attr.line_info_rec_size = pointer(records.lines), records.line_size
            attr.line_info_cnt = len(records.lines) // records.line_size
    return attr


def _flags(row: ProgramType, section: Section) -> int:
    flags = _SLEEPABLE if row.sleepable else 0
    if section.program_type == row.name:
        flags |= (_SLEEPABLE if section.sleepable else 0) | (_FRAGS if section.frags else 0)
    return flags


def _attach_type(row: ProgramType, section: Section) -> int:
    """Also where kernels may not know it: those do not look at the field of such a program (Linux 5.10)."""
    known = ATTACH_TYPES.get(section.attach_type or "")
    return known.number if known is not None and section.program_type == row.name else 0


def _bound(
    program: ProgramSpec, maps: Mapping[str, KernelMap], known: tuple[str, ...], modules: Sequence[int]
) -> Iterator[Insn]:
    """The instructions with descriptors in place of map names (RFC 9669 5.4: the low 32 bits of the immediate), and of
    modules' places (the high 32 bits of a variable's id)."""
    for slot, one in zip(slots(program.insns), program.insns, strict=False):
        if one.op.name == "lddw_btf_id" and one.imm >> 32:
            yield replace(one, imm=one.imm & M32 | modules[(one.imm >> 32) - 1] << 32)
            continue
        if one.op.name not in _MAPS and one.op.name not in _PLACES:
            yield one
            continue
        name = _counted(program.name, slot, one, known) if one.op.name in _PLACES else one.symbol
        if name is None:
            raise LoadError(f"instruction {slot}: {one.op.name} names no map")
        yield insn(_PLACES.get(one.op.name, one.op.name), one.dst, imm=maps[name].fd.number | one.imm & ~M32)


def _counted(program: str, slot: int, one: Insn, known: tuple[str, ...]) -> str:
    """The map at a place of the object's list."""
    place = one.imm & M32
    if place >= len(known):
        raise LoadError(
            f"{program}: instruction {slot}: {one.op.name} wants map number {place}, and the object's maps are "
            f"{', '.join(known) or 'none'}, counted from 0"
        )
    return known[place]


def _license(text: str) -> bytes:
    words = text.encode()
    if len(words) >= _LICENSE_BYTES or b"\0" in words:
        raise LoadError(f"the license has {octets(len(words))}, and the kernel takes {_LICENSE_BYTES - 1} and no zero")
    return words


def _counted_load(attr: ProgLoad, name: str, told: dict[str, str]) -> Fd:
    """BPF_PROG_LOAD with a log of statistics alone."""
    buffer = ctypes.create_string_buffer(_FIRST_LOG)
    attr.log_level, attr.log_size, attr.log_buf = _STATISTICS, len(buffer), address(buffer)
    fd = submit(attr)
    told[name] = buffer.value.decode(errors="replace")
    return fd


def submit(attr: ProgLoad) -> Fd:
    """BPF_PROG_LOAD without a log, and after a refusal again with one. Raises Refused."""
    try:
        return _attempt(attr)
    except OSError as error:
        first = error.errno or 0
    size = _FIRST_LOG
    while True:
        buffer = ctypes.create_string_buffer(size)
        attr.log_level, attr.log_size, attr.log_buf = 1, size, address(buffer)
        try:
            return _attempt(attr)
        except OSError as error:
            number = error.errno or first
        if number != errno.ENOSPC or size == _LARGEST_LOG:
            raise Refused(number, buffer.value.decode(errors="replace"))
        # kernels from 6.4 on say how much they needed; others are asked again until it fits
        size = min(max(attr.log_true_size + 1, size * 4), _LARGEST_LOG)


def _attempt(attr: ProgLoad) -> Fd:
    for left in reversed(range(_TRIES)):
        try:
            return Fd(bpf(PROG_LOAD, attr))
        except OSError as error:
            if error.errno != errno.EAGAIN or not left:
                raise
    raise AssertionError("the last try returns or raises")


def explained(refused: Refused, program: ProgramSpec, row: ProgramType) -> BpfvmError:
    """The error that users meet for a load that the kernel refused."""
    number, log = refused.number, refused.log
    what = f"{error_text(number)} ({error_name(number)})"
    if log.strip():
        return rejection(program, log, what)
    if number == errno.EPERM:
        return privilege.refusal(f"loading a program of type {row.name}", row.needs)
    if number == errno.E2BIG:
        return LoadError(
            f"{program.name}: {program.slot_count} instruction slots are more than this kernel takes (E2BIG); "
            f"the limit is 1000000 with CAP_BPF and 4096 without"
        )
    if number == errno.EINVAL:
        return Unavailable(
            f"{program.name}: this kernel takes no {row.name} program in this form (EINVAL, before verification); "
            f"the type is there since {row.since}, if the kernel is built with it"
        )
    return Unavailable(
        f"{program.name}: the kernel cannot load this program: {what}; `bpfvm doctor` says what it can and why not"
    )
