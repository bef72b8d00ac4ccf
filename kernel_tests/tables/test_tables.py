"""The tables against the running kernel: its enumerators and structures, and what it takes and refuses."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from functools import cache

import pytest

from bpfvm.isa.insn import insn
from bpfvm.kernel.sys import ENOTSUPP
from bpfvm.tables.attach import ATTACH_TYPES
from bpfvm.tables.ctx import CONTEXTS, STRUCTURES
from bpfvm.tables.helpers import HELPERS, Arg, Helper, allowed
from bpfvm.tables.helpers.allowed import HOST, UNKNOWN, UNKNOWN_ATTACH
from bpfvm.tables.maps import BY_NAME as MAP_NAMES
from bpfvm.tables.progs import BY_NAME, PROGRAM_TYPES
from kernel_tests.loading import Place, load, place_of, release, test_run, version
from kernel_tests.tables.vmlinux import PATH, vmlinux

MEASURED = (6, 18)  # the tables say what this kernel does
FRAME = bytes(64)

needs_btf = pytest.mark.skipif(not PATH.exists(), reason=f"this kernel has no {PATH}")
measured_only = pytest.mark.skipif(
    release() != MEASURED, reason=f"measured on {MEASURED[0]}.{MEASURED[1]}, and this kernel is {os.uname().release}"
)


def _present(wanted: Iterable[tuple[str, int, str]], found: dict[str, int]) -> int:
    """Hold names with numbers against the kernel's: all that its version has, none that it should not have."""
    compared = 0
    names = set()
    for name, number, since in wanted:
        names.add(name)
        if name in found:
            assert found[name] == number, name
            compared += 1
        else:
            assert version(since) > release(), f"{name} is since {since}, and this kernel lacks it"
    unknown = {name for name in found if name not in names and not name.startswith("__")}
    assert not unknown or release() > MEASURED, unknown
    return compared


@needs_btf
def test_enumerators() -> None:
    maps = {name: (row.number, row.since) for name, row in MAP_NAMES.items()}
    aliased = [(f"BPF_MAP_TYPE_{name.upper()}", *facts) for name, facts in maps.items() if "deprecated" not in name]
    found = {name: number for name, number in vmlinux().enum("bpf_map_type").items() if "DEPRECATED" not in name}
    counts = [_present([*aliased, ("BPF_MAP_TYPE_UNSPEC", 0, "3.18")], found)]
    programs = [(f"BPF_PROG_TYPE_{row.name.upper()}", row.number, row.since) for row in PROGRAM_TYPES]
    counts.append(_present(programs, vmlinux().enum("bpf_prog_type")))
    places = [(f"BPF_{row.name.upper()}", row.number, row.since) for row in ATTACH_TYPES]
    counts.append(_present(places, vmlinux().enum("bpf_attach_type")))
    helpers = [("BPF_FUNC_unspec", 0, "3.18"), *((f"BPF_FUNC_{row.name}", row.id, row.since) for row in HELPERS)]
    counts.append(_present(helpers, vmlinux().enum("bpf_func_id")))
    print("enumerators equal: map types {}, program types {}, attach types {}, helpers {}".format(*counts))
    assert release() < MEASURED or all(a >= b for a, b in zip(counts, (34, 33, 58, 212), strict=True))


@needs_btf
@measured_only
def test_structures() -> None:
    fields = 0
    for layout in (*CONTEXTS.values(), *STRUCTURES.values()):
        members = vmlinux().members(layout.name)
        if layout.name != "bpf_raw_tracepoint_args":  # an array without bounds
            assert vmlinux().size(layout.name) == layout.size, layout.name
        seen = set()
        for one in layout.fields:
            if one.name.startswith("regs.") or (one.name, layout.name) in ODD or one.name in seen:
                continue
            seen.add(one.name)
            assert members[one.name] == (one.offset, one.size * one.count), (layout.name, one.name)
            fields += 1
        missing = set(members) - {one.name for one in layout.fields} - ABSENT
        assert not missing, (layout.name, missing)
    print(f"{fields} fields of {len(CONTEXTS) + len(STRUCTURES)} structures at the places of BTF")
    assert fields >= 188


# Members that the kernel's own structure has in another shape than uapi's, and fields that stand for part of one.
ODD = {("cs", "pt_regs"), ("ss", "pt_regs"), ("args", "bpf_raw_tracepoint_args"), ("buffer", "bpf_raw_tracepoint_args")}
ABSENT = {"csx", "fred_cs", "ssx", "fred_ss", "args", "regs", "cookie"}


@cache
def places() -> tuple[Place, ...]:
    """Every program type at every attach type that this host loads; refusals are printed."""
    found, refused = [], []
    for row in PROGRAM_TYPES:
        names: list[str | None] = [one.name for one in row.attach_types]
        for name in names or [None]:
            place = place_of(row, name)
            if not load(place, place.exit, log=False).errno:
                found.append(place)
            elif row.number:
                refused.append(str(place))
    print(f"{len(found)} places load; this host refuses {', '.join(refused)}")
    return tuple(found)


def test_program_types_load() -> None:
    types = {place.row.name for place in places()}
    print(f"{len(types)} program types")
    assert len(types) >= 25


@measured_only
def test_which_types_can_be_run_by_test_run() -> None:
    seen = 0
    for row in PROGRAM_TYPES:
        place = next((one for one in places() if one.row is row), None)
        if place is None or row.name == "tracing":  # whose answer depends on the target
            continue
        number = test_run(place, place.exit, FRAME)
        assert (number != ENOTSUPP) == bool(row.test_run), (row.name, number)
        seen += 1
    print(f"{seen} program types")
    assert seen >= 27


@measured_only
def test_what_a_program_may_return() -> None:
    seen = 0
    for place in places():
        taken = {
            value for value in (*range(-2, 6), 129, 4095)
            if not load(place, (insn("mov64_k", 0, imm=value), insn("exit")), log=False).errno
        }  # fmt: skip
        least, most = place.row.return_range(place.attach_type) or (-2, 4095)
        assert taken == {value for value in (*range(-2, 6), 129, 4095) if least <= value <= most}, str(place)
        seen += 1
    print(f"{seen} pairs of program and attach type")
    assert seen >= 60


NO_HELPER = ("cannot use helper", "not supported for program type", "not allowed in probe")

# What the verifier asks of r1, where the program passes its context
ASKED = {
    Arg.MAP: "expected=map_ptr",
    Arg.MEM: "expected=fp, ",
    Arg.OUT: "expected=fp, ",
    Arg.INOUT: "expected=fp, ",
    Arg.MEM_OR_NULL: "expected=fp, ",
    Arg.INOUT_OR_NULL: "expected=fp, ",
    Arg.FIXED: "expected=fp, ",
    Arg.SOCK: "expected=sock_common, sock, ",
    Arg.SOCK_OR_NULL: "expected=sock_common, sock, ",
    Arg.SOCK_COMMON: "expected=sock_common, sock, ",
    Arg.SOCK_GIVEN: "expected=sock_common, sock, ",
    Arg.BTF: "expected=ptr_, ",
    Arg.LOCK: "expected=map_value, ",
    Arg.TIMER: "expected=map_value",
    Arg.KPTR: "expected=map_value, ",
    Arg.RECORD_GIVEN: "expected=ringbuf_mem",
    Arg.DYNPTR: "expected=fp",
    Arg.DYNPTR_GIVEN: "expected=fp",
    Arg.PER_CPU_VAR: "expected=percpu_ptr_",
}


@measured_only
def test_who_may_call_which_helper_and_what_its_first_argument_is() -> None:
    asked = first = 0
    for place in places():
        if place.row.name in UNKNOWN or place.attach_type in UNKNOWN_ATTACH:
            continue
        for row in HELPERS:
            verdict = load(place, (insn("call", imm=row.id), *place.exit))
            may = not any(words in verdict.log for words in NO_HELPER)
            if row.name not in HOST:
                assert may == allowed(row.name, place.row.name, place.attach_type), (str(place), row.name, verdict)
            asked += 1
            if may:
                first += _first_argument(place, row, verdict.log)
    print(f"{asked} pairs of program and helper, {first} first arguments")
    assert asked >= 12_000
    assert first >= 4_900


def _first_argument(place: Place, row: Helper, log: str) -> bool:
    """Hold what the verifier said of r1 against the row; False where it spoke of something else."""
    args = row.args_in(place.row.name)
    if "might sleep" in log:
        assert row.sleeps, row.name
        return False
    if not args:
        assert not log, (str(place), row.name, log)
    elif args[0] in (Arg.ANY, Arg.CTX, Arg.CTX_OR_NULL):
        assert ("R2 !read_ok" in log) == (len(args) > 1), (str(place), row.name, log)
    else:
        assert ASKED[args[0]] in log, (str(place), row.name, log)
    return bool(args)


@measured_only
def test_helpers_for_gpl_programs_only() -> None:
    seen = 0
    for row in HELPERS:
        place = next((one for one in places() if allowed(row.name, one.row.name, one.attach_type)), None)
        if place is None or row.name in HOST:
            continue
        verdict = load(place, (insn("call", imm=row.id), *place.exit), license=b"Proprietary")
        assert ("GPL-restricted" in verdict.log) == row.gpl, (row.name, verdict)
        seen += 1
    print(f"{seen} helpers")
    assert seen >= 190


@measured_only
def test_what_of_a_context_may_be_read_and_written() -> None:
    asked = taken = 0
    for place in places():
        layout = CONTEXTS[place.row.context] if place.row.context else None
        if layout is None:
            continue
        for size, bits in ((1, 8), (2, 16), (4, 32), (8, 64)):
            for offset in range(0, layout.size + 8, 1 if size < 4 else size // 2):
                for write in (False, True):
                    access = insn(f"stx{bits}", 1, 2, offset) if write else insn(f"ldx{bits}", 3, 1, offset)
                    verdict = load(place, (insn("mov64_k", 2, imm=0), access, *place.exit), log=False)
                    mine = layout.access(offset, size, write, place.row.name, place.attach_type) is not None
                    if place.row.name == "raw_tracepoint_writable" and offset < 8 and size < 8:
                        continue  # the kernel lets pieces of the buffer's address be read, but for the first
                    assert (verdict.errno == 0) == mine, (str(place), offset, size, write, verdict)
                    asked, taken = asked + 1, taken + mine
    print(f"{asked} accesses, {taken} of them taken")
    assert asked >= 38_000
    assert taken >= 4_000


def _limited(capabilities: Iterable[str], report: Callable[[], bytes]) -> bytes:
    """What `report` says in a child process that has these capabilities only."""
    bits = {"CAP_NET_ADMIN": 12, "CAP_PERFMON": 38, "CAP_BPF": 39}
    wanted = sum(1 << bits[name] for name in capabilities)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
            low, high = wanted & 0xFFFFFFFF, wanted >> 32
            data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
            assert libc.capset(header, data) == 0
            os.write(writing, report())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@measured_only
def test_what_loading_takes() -> None:
    chosen = [next((one for one in places() if one.row is row), None) for row in PROGRAM_TYPES]
    tried = [one for one in chosen if one is not None]

    def report() -> bytes:
        return bytes(not load(place, place.exit, log=False).errno for place in tried)

    seen = 0
    for has in (("CAP_BPF",), ("CAP_BPF", "CAP_NET_ADMIN"), ("CAP_BPF", "CAP_PERFMON")):
        answers = _limited(has, report)
        assert len(answers) == len(tried), "the child failed"
        for place, answer in zip(tried, answers, strict=True):
            assert bool(answer) == (set(place.row.needs) <= set(has)), (str(place), has)
            seen += 1
    print(f"{seen} loads of {len(tried)} program types by processes with less than all capabilities")
    assert seen >= 80


@measured_only
def test_what_needs_no_capability_where_the_host_allows_it() -> None:
    with open("/proc/sys/kernel/unprivileged_bpf_disabled", "rb") as file:
        if file.read().strip() != b"0":
            print("skipped: this host allows bpf(2) to no process without capabilities")
            pytest.skip("this host allows bpf(2) to no process without capabilities")
    tried = [place for place in places() if place.row.name != "tracing"]

    def report() -> bytes:
        return bytes(not load(place, place.exit, log=False).errno for place in tried)

    for place, answer in zip(tried, _limited((), report), strict=True):
        assert bool(answer) == BY_NAME[place.row.name].unprivileged, str(place)
