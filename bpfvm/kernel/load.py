"""One program of an object into the kernel: its maps made and filled, its symbols bound, then BPF_PROG_LOAD.

The first load asks for no log, because writing one costs more than verifying. Only a program that was refused is
loaded again with a buffer, which grows until the whole log fits.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError
from bpfvm.core.machine import Entries
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import Insn, slots
from bpfvm.kernel import privilege
from bpfvm.kernel.elements import BYTE_ORDER
from bpfvm.kernel.maps import KernelMap, kernel_name
from bpfvm.kernel.rejection import rejection
from bpfvm.kernel.run import LoadedProgram
from bpfvm.kernel.sys import PROG_LOAD, Fd, ProgLoad, address, bpf, error_name, error_text, switched_off
from bpfvm.kernel.types import ObjectTypes, pointer
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.progs import BY_NAME, ProgramType
from bpfvm.tables.sections import Section, of_section

_SLEEPABLE, _FRAGS = 1 << 4, 1 << 5  # BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS
_FLAGS: Mapping[str, int] = {"syscall": _SLEEPABLE}  # bpf_check takes syscall programs only with it

_LICENSE_BYTES = 128  # bpf_prog_load copies this much, with the closing zero
_FIRST_LOG = 1 << 16
_LARGEST_LOG = (1 << 30) - 1  # UINT_MAX >> 2, bpf_verifier_log_attr_valid
_TRIES = 5  # of a load that a signal interrupted: the verifier then gives up with EAGAIN


class Refused(Exception):
    """The kernel's no to BPF_PROG_LOAD: its errno, and what the verifier wrote ("" where it was never asked)."""

    def __init__(self, number: int, log: str) -> None:
        super().__init__(error_name(number))
        self.number, self.log = number, log


def load_object(spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> LoadedProgram:
    """Load `program` with the maps that it refers to, or that `maps` gives contents for.

    CO-RE relocations and externs are resolved for the running kernel. Programs that stand in prog arrays are loaded
    with it. Raises LoadError for an object that no kernel can take, VerifierReject for a program that this one refuses,
    Unavailable for what this host does not have or allow. On any error everything that was opened is closed.
    """
    reason = switched_off()
    if reason is not None:
        raise Unavailable(reason)
    chosen, row = _chosen(spec, program)
    if chosen.core or spec.externs:
        from bpfvm.kernel.names import adapted  # which loads a probe of its own by this module

        spec = adapted(spec, program)
        chosen = spec.programs[program]
    with ExitStack() as opened:
        loading = _Loading(spec, opened)
        for name in dict.fromkeys((*chosen.map_names, *maps)):
            loading.map(name, program, asked=name in maps)
        fd = loading.program(program)
        loading.fill(maps)
        loaded = LoadedProgram(row, chosen, fd, loading.maps, loading.close)
        opened.pop_all()
        return loaded


class _Loading:
    """An object on its way into the kernel: what was made of it so far, by name."""

    def __init__(self, spec: ObjectSpec, opened: ExitStack) -> None:
        self._spec, self._opened = spec, opened
        self.maps: dict[str, KernelMap] = {}
        self._programs: dict[str, Fd] = {}
        self._named: dict[str, int] = {}  # descriptors of programs and maps, for what stands in maps
        self._types = ObjectTypes(spec)
        opened.callback(self._types.close)

    def map(self, name: str, user: str, asked: bool = False) -> KernelMap:
        """The map `name`, made at its first use with the maps that stand in it, and filled but for prog arrays.

        user: the program or map that needs it. asked: the caller gave contents for it.
        """
        if name in self.maps:
            return self.maps[name]
        if name not in self._spec.maps:
            kind: type[BpfvmError] = UsageError if asked else LoadError
            raise kind(f"{user}: there is no map {name!r}; the maps are {', '.join(self._spec.maps) or 'none'}")
        spec = self._spec.maps[name]
        one = self.maps[name] = KernelMap(spec, self._types.number, self._named)
        self._opened.callback(one.close)
        self._named[name] = one.fd.number
        if spec.type != "prog_array":
            for _, inner in spec.contents:
                self.map(inner, name)
            one.fill([])
        return one

    def program(self, name: str) -> Fd:
        """The program `name`, loaded at its first use."""
        if name in self._programs:
            return self._programs[name]
        chosen, row = _chosen(self._spec, name)
        for wanted in chosen.map_names:
            self.map(wanted, name)
        fd = _load_program(chosen, row, self._spec.license, self.maps, self._types)
        self._opened.enter_context(fd)
        self._programs[name], self._named[name] = fd, fd.number
        return fd

    def fill(self, given: Mapping[str, Entries]) -> None:
        """What callers put into maps, and the programs of prog arrays, which are loaded for it."""
        for name in list(self.maps):
            one = self.maps[name]
            entries = given.get(name, [])
            if one.spec.type != "prog_array":
                for inner in _named(entries) if one.spec.inner is not None else ():
                    if inner in self._spec.maps:
                        self.map(inner, name)
                one.write(entries)
                continue
            wanted = [inner for _, inner in one.spec.contents]
            wanted += _named(entries)
            for inner in wanted:
                self.program(inner)
            one.fill(entries)

    def close(self) -> None:
        """Close what was loaded beside the program itself."""
        self._types.close()
        for fd in self._programs.values():
            fd.close()


def _named(entries: Entries) -> list[str]:
    """The names of programs or maps that stand in entries."""
    return [value.decode(errors="replace") for _, value in entries if isinstance(value, bytes)]


def _chosen(spec: ObjectSpec, program: str) -> tuple[ProgramSpec, ProgramType]:
    chosen = spec.programs.get(program)
    if chosen is None:
        raise UsageError(f"there is no program {program!r}; the programs are {', '.join(spec.programs) or 'none'}")
    row = BY_NAME.get(chosen.type)
    if row is None:
        raise Unavailable(f"{program}: there is no program type {chosen.type!r}")
    if spec.endian != BYTE_ORDER:
        raise LoadError(f"{program}: the object is {spec.endian}-endian, and this kernel is {BYTE_ORDER}-endian")
    if not chosen.insns:
        raise LoadError(f"{program}: a program needs at least one instruction, and this one has none")
    return chosen, row


def _load_program(
    program: ProgramSpec, row: ProgramType, license: str, maps: Mapping[str, KernelMap], types: ObjectTypes
) -> Fd:
    code = encode(_bound(program.insns, maps), BYTE_ORDER)
    words, records, section = _license(license), types.records(program), of_section(program.section)
    attach = ATTACH_TYPES.get(section.attach_type or "") if not section.optional_attach else None
    attr = ProgLoad(
        prog_type=row.number, insn_cnt=len(code) // SLOT, insns=address(code), license=address(words),
        prog_flags=_flags(row, section), prog_name=kernel_name(program.name),
        expected_attach_type=attach.number if attach is not None and section.program_type == row.name else 0,
    )  # fmt: skip
    if section.btf and section.program_type == row.name and section.target:
        from bpfvm.kernel.names import target_id

        attr.attach_btf_id = target_id(section)
    if records.functions:
        attr.prog_btf_fd = types.number
        attr.func_info, attr.func_info_rec_size = pointer(records.functions), records.function_size
        attr.func_info_cnt = len(records.functions) // records.function_size
        attr.line_info, attr.line_info_rec_size = pointer(records.lines), records.line_size
        attr.line_info_cnt = len(records.lines) // records.line_size
    try:
        return submit(attr)
    except Refused as refused:
        raise explained(refused, program, row) from None


def _flags(row: ProgramType, section: Section) -> int:
    flags = _FLAGS.get(row.name, 0)
    if section.program_type == row.name:
        flags |= (_SLEEPABLE if section.sleepable else 0) | (_FRAGS if section.frags else 0)
    return flags


def _bound(insns: Iterable[Insn], maps: Mapping[str, KernelMap]) -> Iterator[Insn]:
    """The instructions with descriptors in place of map names (RFC 9669 5.4: the low 32 bits of the immediate)."""
    insns = tuple(insns)
    for slot, one in zip(slots(insns), insns, strict=False):
        if one.op.name in ("lddw_map_idx", "lddw_map_idx_value"):
            raise Unavailable(f"instruction {slot}: engine kernel gives programs no table of maps ({one.op.name})")
        if one.op.name not in ("lddw_map", "lddw_map_value"):
            yield one
            continue
        if one.symbol is None:
            raise LoadError(f"instruction {slot}: {one.op.name} names no map")
        yield replace(one, imm=maps[one.symbol].fd.number | one.imm & ~M32)


def _license(text: str) -> bytes:
    words = text.encode()
    if len(words) >= _LICENSE_BYTES or b"\0" in words:
        raise LoadError(f"the license has {len(words)} bytes, and the kernel takes {_LICENSE_BYTES - 1} and no zero")
    return words


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
    return Unavailable(f"{program.name}: the kernel cannot load this program: {what}")
