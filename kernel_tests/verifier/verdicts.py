"""Programs given to the kernel as bytes, for its verdict, words and log: what the verifier model is held against."""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bpfvm.kernel.host.names import RunningKernel
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.programs.types import ObjectTypes, Records, pointer
from bpfvm.kernel.sys import PROG_LOAD, Fd, ProgLoad, address, bpf
from bpfvm.obj.btf.index import BtfIndex
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Func, Struct, Typedef
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.testing.verdicts import FLAGS, PROGRAM, VerdictCase, spec_of

WORDS, EVERYTHING = 4, 2  # levels of the log: statistics and words alone, or every path
_LOG = 1 << 24
_STATISTICS = re.compile(r"(processed (\d+) insns.*|verification time .*|stack depth .*)")
_PROGRESS = re.compile(
    r"func '\w+' arg\d+ has btf_id|"
    r"Live regs|Validating \S+ func#\d+\.\.\.|Func#\d+ .*(?:assumed valid|safe for any args)"
)
_INSN = re.compile(r"(\d+): (?:\([0-9a-f]{2}\) |BUG_)")
_BUFFER = ctypes.create_string_buffer(_LOG)


@dataclass(frozen=True, slots=True)
class Said:
    """errno: 0 where the program was taken. processed: instructions that were walked, None where none were."""

    errno: int
    log: tuple[str, ...]

    @property
    def processed(self) -> int:
        found = [match for line in self.log if (match := _STATISTICS.search(line)) and match[2]]
        return int(found[-1][2]) if found else 0

    @property
    def words(self) -> tuple[str, ...]:
        """The words alone, of a log of level 4."""
        lines = (_STATISTICS.sub("", line).strip() for line in self.log)
        return tuple(line for line in lines if line and not _PROGRESS.match(line))

    @property
    def last(self) -> int | None:
        """The instruction that was walked last."""
        found = [match for line in self.log if (match := _INSN.match(line))]
        return int(found[-1][1]) if found else None


class Maps:
    """Maps by their declarations, made once and kept until `close`."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._known: dict[tuple[MapSpec, int], KernelMap] = {}
        self._types: list[tuple[Btf, ObjectTypes]] = []

    def number(self, spec: MapSpec, btf: int = 0) -> int:
        if (spec, btf) not in self._known:
            one = KernelMap(spec, btf)
            self._opened.callback(one.close)
            one.fill()
            one.freeze()
            self._known[spec, btf] = one
        return self._known[spec, btf].fd.number

    def types(self, spec: ObjectSpec) -> ObjectTypes:
        """The object's BTF in the kernel."""
        for btf, one in self._types:
            if btf == spec.btf:
                return one
        found = ObjectTypes(spec)
        assert found.fd is not None, "the kernel does not take the BTF"
        self._opened.callback(found.close)
        self._types.append((spec.btf or Btf(), found))
        return found

    def close(self) -> None:
        self._opened.close()


@contextmanager
def opened_maps() -> Iterator[Maps]:
    maps = Maps()
    try:
        yield maps
    finally:
        maps.close()


def kernel_function(name: str) -> int:
    """The id of a kernel function."""
    found = kernel_types().find(Func, name)
    assert found is not None, name
    return found


@functools.cache
def kernel_types() -> BtfIndex:
    """The types of this kernel."""
    return RunningKernel().types


def _aim(attr: ProgLoad, case: VerdictCase) -> None:
    """Tell what the program is loaded for."""
    types = kernel_types()
    table, _, member = case.target.partition(".")
    if member:
        number = types.find(Struct, table)
        kind = types[number or 0]
        assert isinstance(kind, Struct)
        attr.expected_attach_type = next(at for at, one in enumerate(kind.members) if one.name == member)
    elif case.attach_type == "trace_iter":
        number = types.find(Func, f"bpf_iter_{case.target}")
    else:
        number = types.find(Typedef, f"btf_trace_{case.target}")
    attr.attach_btf_id = number or 0


def load(attr: ProgLoad) -> int:
    """BPF_PROG_LOAD: the descriptor. OSError where it is refused."""
    return bpf(PROG_LOAD, attr)


def ask(case: VerdictCase, maps: Maps, level: int, submit: Callable[[ProgLoad], int] = load) -> Said:
    """Load the case's program with a log of this level, and close it."""
    known, records, btf = {one.name: one for one in case.maps}, Records(), 0
    if case.btf is not None:
        spec = spec_of(case)
        types = maps.types(spec)
        btf = types.number
        records = types.records(spec.programs[PROGRAM]) if case.functions else records
    numbers = {
        slot: maps.number(known[name], btf if known[name].value_type else 0) if name in known else kernel_function(name)
        for slot, name in case.symbols.items()
    }
    code = bound(case.code, numbers)
    license = case.license.encode()
    row = PROGRAM_TYPES[case.type]
    attr = ProgLoad(
        prog_type=row.number, insn_cnt=len(code) // 8, insns=address(code), license=address(license),
        prog_flags=case.flags | (FLAGS["sleepable"] if row.sleepable else 0),
        expected_attach_type=ATTACH_TYPES[case.attach_type].number if case.attach_type else 0,
        log_level=level, log_size=_LOG, log_buf=address(_BUFFER),
    )  # fmt: skip
    if case.target:
        _aim(attr, case)
    if records.functions:
        attr.prog_btf_fd = records.btf
        attr.func_info, attr.func_info_rec_size = pointer(records.functions), records.function_size
        attr.func_info_cnt = len(records.functions) // records.function_size
    _BUFFER[0] = b"\0"
    try:
        Fd(submit(attr)).close()
        number = 0
    except OSError as error:
        number = error.errno or 0
    return Said(number, tuple(_BUFFER.value.decode(errors="replace").splitlines()))


def bound(code: bytes, numbers: Mapping[int, int]) -> bytes:
    """The code with descriptors where instructions name maps."""
    out = bytearray(code)
    for slot, number in numbers.items():
        out[8 * slot + 4 : 8 * slot + 8] = number.to_bytes(4, "little")
    return bytes(out)


_NOISE = re.compile(r"\(\d+(?:,\d+)*\) (?:frame|live) |verification time|stack depth|processed \d|Live regs|func#")
_ADDRESS = re.compile(r"(\(18\) r\d+ = )(?:func )?\S+( ll)?")


def states(log: tuple[str, ...]) -> list[str]:
    """The lines of a log that tell states, in one form for the kernel's and the model's."""
    lines = []
    for line in log:
        if line.strip() and not _NOISE.match(line):
            lines.append(re.sub(r"\s+;", " ;", _ADDRESS.sub(r"\1…", line)).rstrip(" ;"))
    return lines


def possible_cpus() -> int:
    """That this kernel numbers."""
    text = Path("/sys/devices/system/cpu/possible").read_text()
    return int(text.strip().rpartition("-")[2]) + 1
