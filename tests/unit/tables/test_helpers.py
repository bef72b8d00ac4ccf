"""The table of helpers: laws that all rows keep."""

from __future__ import annotations

import re

import pytest

from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP
from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.isa.insn import insn
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_ID, BY_NAME, HELPERS, Arg, Helper, Ret, allowed, call_name
from bpfvm.tables.helpers.allowed import _MEASURED, _ROWS, UNKNOWN
from bpfvm.tables.kfuncs import KFUNCS
from bpfvm.tables.places import expand
from bpfvm.tables.progs import PROGRAM_TYPES

SIZED = {Arg.MEM, Arg.MEM_OR_NULL, Arg.OUT, Arg.INOUT, Arg.INOUT_OR_NULL}
SIZES = {Arg.SIZE, Arg.SIZE_OR_ZERO}
FIXED = {Arg.FIXED, Arg.FIXED_OUT, Arg.FIXED_INOUT}


def every(row: Helper) -> list[tuple[Arg, ...]]:
    return [row.args, *(args for _, args in row.variants)]


def test_numbers_and_names_are_all_there_once() -> None:
    assert [row.id for row in HELPERS] == list(range(1, 212))
    assert len(BY_NAME) == len(HELPERS)
    print(f"{len(HELPERS)} helpers, {len(IMPLEMENTED)} of them in the emulator")
    assert len(HELPERS) >= 211


def test_memory_is_followed_by_its_size_and_a_size_follows_memory() -> None:
    pairs = 0
    for row in HELPERS:
        for args in every(row):
            for at, arg in enumerate(args):
                if arg in SIZED:
                    assert args[at + 1] in SIZES, row.name
                    pairs += 1
                if arg in SIZES:
                    assert args[at - 1] in SIZED, row.name
            assert sum(arg in FIXED for arg in args) == len(row.sizes), row.name
    print(f"{pairs} pairs of memory and size")
    assert pairs >= 80


def test_keys_and_values_come_with_their_map() -> None:
    needs = {Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.VALUE_OUT}
    for row in HELPERS:
        for args in every(row):
            if needs & set(args):
                assert Arg.MAP in args, row.name


def test_the_prototype_has_the_arguments_of_the_row() -> None:
    for row in HELPERS:
        inside = row.prototype[row.prototype.index("(") + 1 : -1]
        params = [] if inside in ("void", "") else inside.split(", ")
        if row.name in ("trace_printk", "get_branch_snapshot"):  # whose last one the verifier never looks at
            params.pop()
        assert [len(params)] * len(every(row)) == [len(args) for args in every(row)], row.name
        assert len(params) <= 5
        for param, arg in zip(params, row.args, strict=True):
            assert ("*" in param) == (arg not in {Arg.ANY, *SIZES, Arg.CONST_SIZE}) or row.name in NUMBERS, row.name


NUMBERS = {  # addresses that are numbers to the verifier
    *("probe_read", "probe_read_str", "probe_read_user", "probe_read_kernel", "probe_read_user_str"),
    *("probe_read_kernel_str", "probe_write_user", "copy_from_user", "copy_from_user_task"),
}


def test_what_comes_back_as_a_pointer_is_one_in_c() -> None:
    for row in HELPERS:
        pointer = row.ret not in (Ret.NUMBER, Ret.NOTHING)
        in_c = row.prototype.split("(")[0].endswith("*")
        assert in_c == pointer or row.name == "task_pt_regs", row.name  # declared as long in uapi


def test_every_kind_is_used() -> None:
    taken = {arg for row in HELPERS for args in every(row) for arg in args}
    assert taken | {arg for row in KFUNCS for arg in row.args} == set(Arg)
    assert {row.ret for row in HELPERS} == set(Ret)


def test_docs_are_one_sentence_or_two_and_versions_are_versions() -> None:
    for row in HELPERS:
        assert re.match(r"[A-Z1].*\.$", row.doc), row.name
        assert re.fullmatch(r"\d\.\d+", row.since), row.name


def test_who_may_call_names_helpers_and_types_that_are_there() -> None:
    named = [helper for _, helpers in _ROWS for helper in helpers.split()]
    assert len(set(named)) == len(named)
    assert set(named) <= set(BY_NAME)
    types = {row.name for row in PROGRAM_TYPES if row.number}
    assert set(_MEASURED.split()) | UNKNOWN == types
    for programs, _ in _ROWS:
        assert {place.split(":")[0] for place in expand(programs, _MEASURED)} <= types
    nowhere = sorted(set(BY_NAME) - set(named))
    print(f"{len(named)} helpers in {len(_ROWS)} rows; for none of the measured types: {', '.join(nowhere)}")
    assert len(named) >= 199


def test_allowed() -> None:
    assert allowed("map_lookup_elem", "xdp") is True
    assert allowed("redirect", "cgroup_skb") is False
    assert allowed("bind", "cgroup_sock_addr", "cgroup_inet4_connect") is True
    assert allowed("bind", "cgroup_sock_addr", "cgroup_inet4_bind") is False
    assert allowed("bind", "cgroup_sock_addr") is True
    assert allowed("d_path", "lsm") is None
    assert allowed("get_func_arg", "tracing", "trace_fentry") is None


def test_arguments_that_depend_on_the_program() -> None:
    row = BY_NAME["get_socket_cookie"]
    assert row.args_in("socket_filter") == (Arg.CTX,)
    assert row.args_in("sk_reuseport") == (Arg.SOCK,)
    assert BY_NAME["sk_release"].releases
    assert not BY_NAME["sk_lookup_tcp"].releases
    assert BY_ID[5].declaration == "u64 bpf_ktime_get_ns(void)"


def test_names_in_messages() -> None:
    assert call_name(1) == "bpf_map_lookup_elem#1"
    assert call_name(212) == "unknown#212"


@pytest.mark.parametrize("number", [149, 212, -1, 4000])  # bpf_snprintf_btf, and three that are no helpers
def test_a_call_of_a_helper_that_is_not_there_names_it(number: int) -> None:
    code = (insn("call", imm=number), insn("exit"))
    spec = ObjectSpec({"f": ProgramSpec("f", "syscall", "syscall", code)}, {})
    assert number not in {BY_NAME[name].id for name in IMPLEMENTED}
    loaded = INTERP.load(spec, "f", {})
    fault = loaded.run(Input()).fault
    loaded.close()
    assert fault is not None
    assert fault.message.startswith(f"{call_name(number)} is not emulated")
