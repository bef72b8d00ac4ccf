"""Functions and variables of kernel modules, and what programs are loaded for: found in types made for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel.host import modules
from bpfvm.kernel.host.modules import OpenModules, Place, Target, bound_to_modules, target_of
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Func, FuncProto, Int, Ptr, Typedef, Var
from bpfvm.obj.model import ExternSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.sections import of_section

INT, LONG = Int("int", 4, 32, is_signed=True), Int("long", 8, 64, is_signed=True)


def types(*more: object) -> Btf:
    """int (1), long (2), int f(int) (3), then more."""
    return Btf([INT, LONG, FuncProto(1, (("a", 1),)), *more])  # type: ignore[list-item]


KERNEL = types(Func("own", 3), Var("own_variable", 1))
MODULES = {
    "first": types(Func("other", 3), Func("unlike", 3)),
    "second": types(Ptr(1), Ptr(2), Func("ours", 3), Var("theirs", 1), Func("other", 3)),
}


def loaded() -> Iterator[tuple[str, Btf]]:
    yield from MODULES.items()


def of(*code: Insn, **externs: ExternSpec) -> ObjectSpec:
    btf = Btf([INT, LONG, FuncProto(1, (("a", 1),)), FuncProto(2, ())])
    return ObjectSpec({"p": ProgramSpec("p", "tc", "sched_cls", code)}, {}, btf, externs=externs)


def kfunc(name: str, type: int = 3, weak: bool = False) -> ExternSpec:
    return ExternSpec(name, "kfunc", type, weak)


def test_calls_count_modules_from_one() -> None:
    code = (
        insn("call_kfunc", symbol="own"), insn("call_kfunc", symbol="ours"), insn("call_kfunc", symbol="other"),
        insn("lddw_btf_id", 1, symbol="theirs"), insn("lddw_btf_id", 1, symbol="ours"), insn("exit"),
    )  # fmt: skip
    externs = {name: kfunc(name) for name in ("own", "ours", "other___mine")} | {"other": kfunc("other")}
    spec, used = bound_to_modules(of(*code, theirs=ExternSpec("theirs", "ksym", 1), **externs), KERNEL, loaded)
    assert used == ("first", "second")
    found = spec.programs["p"].insns
    assert [(one.off, one.imm) for one in found[1:3]] == [(2, 6), (1, 4)]
    assert (found[0].symbol, found[0].imm) == ("own", 0)
    assert [(one.imm & 0xFFFFFFFF, one.imm >> 32) for one in found[3:5]] == [(7, 2), (6, 2)]
    assert list(spec.externs) == ["own"]


def test_modules_are_not_asked_for_what_the_kernel_has() -> None:
    spec = of(insn("call_kfunc", symbol="own"), own=kfunc("own"))
    assert bound_to_modules(spec, KERNEL, lambda: pytest.fail("modules were asked")) == (spec, ())


def test_a_function_of_another_type_is_not_taken() -> None:
    spec, used = bound_to_modules(of(insn("call_kfunc", symbol="unlike"), unlike=kfunc("unlike", 4)), KERNEL, loaded)
    assert (used, list(spec.externs)) == ((), ["unlike"])


def test_symbols_without_a_type_and_values_are_left_alone() -> None:
    externs = {"ours": ExternSpec("ours", "ksym", 0), "CONFIG_A": ExternSpec("CONFIG_A", "kconfig", 1)}
    spec = of(insn("lddw", 1, symbol="ours"), **externs)
    assert bound_to_modules(spec, KERNEL, loaded) == (spec, ())


KERNEL_TARGETS = Btf([INT, FuncProto(1, ()), Func("vfs_read", 2), Typedef("btf_trace_sched_switch", 2),
                      Func("bpf_iter_task", 2), Func("bpf_lsm_file_open", 2)])  # fmt: skip
MODULE_TARGETS = Btf([INT, FuncProto(1, ()), Func("vfs_read", 2), Func("nft_do_chain", 2)])
TARGETS = [
    ("fentry/vfs_read", Place(3)), ("fexit.s/vfs_read", Place(3)), ("fentry/vmlinux:vfs_read", Place(3)),
    ("tp_btf/sched_switch", Place(4)), ("iter/task", Place(5)), ("lsm/file_open", Place(6)),
    ("fentry/nf_tables:vfs_read", Place(3, "nf_tables")), ("fentry/nft_do_chain", Place(4, "nf_tables")),
]  # fmt: skip


@pytest.mark.parametrize(("section", "place"), TARGETS)
def test_targets(section: str, place: Place) -> None:
    assert target_of(of_section(section), KERNEL_TARGETS, lambda: [("nf_tables", MODULE_TARGETS)]) == place


NO_TARGETS = [
    ("fentry/ghost", "section fentry/ghost: the kernel's BTF has no ghost to attach to"),
    ("tp_btf/ghost", "section tp_btf/ghost: the kernel's BTF has no btf_trace_ghost to attach to"),
    ("tp_btf/sched_swich", "section tp_btf/sched_swich: the kernel's BTF has no btf_trace_sched_swich to attach to; "
                           "did you mean sched_switch?"),
    ("lsm/file_opens", "section lsm/file_opens: the kernel's BTF has no bpf_lsm_file_opens to attach to; did you mean "
                       "file_open?"),
    ("fentry/vmlinux:nft_do_chain",
     "section fentry/vmlinux:nft_do_chain: the BTF of module vmlinux has no nft_do_chain to attach to"),
    ("fentry/ext4:vfs_read", "section fentry/ext4:vfs_read: the BTF of module ext4 has no vfs_read to attach to"),
    ("fentry", "section fentry: it does not say what the program is for; write fentry/NAME, or leave the program out "
               "by choosing others by name"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "message"), NO_TARGETS)
def test_targets_that_are_not_there(section: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        target_of(of_section(section), KERNEL_TARGETS, lambda: [("nf_tables", MODULE_TARGETS)])
    assert str(caught.value) == message


def test_a_module_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Descriptor(ExitStack):
        number = 9

    def open_one(name: str) -> Descriptor:
        opened.append(name)
        return Descriptor()

    monkeypatch.setattr(modules, "opened", open_one)
    with ExitStack() as stack:
        known = OpenModules(stack)
        assert [known.target(Place(3, "a")), known.target(Place(4, "a")), known.target(Place(5))] == [
            Target(3, 9), Target(4, 9), Target(5),
        ]  # fmt: skip
    assert opened == ["a"]


def test_the_object_is_not_changed() -> None:
    spec = of(insn("call_kfunc", symbol="ours"), ours=kfunc("ours"))
    before = replace(spec)
    bound_to_modules(spec, KERNEL, loaded)
    assert spec == before
