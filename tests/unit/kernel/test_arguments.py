"""What programs take their arguments for, held against kernels that have other ones: types made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bpfvm import bpf
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import insn
from bpfvm.kernel.programs import arguments
from bpfvm.kernel.programs.uses import Use, uses
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import CoreReloc, ProgramSpec
from bpfvm.program import compile_object
from bpfvm.vmlinux import task_struct


class Kernel:
    """struct request { struct request_queue *q; }, struct sock that begins with sock_common, and what tests add."""

    def __init__(self) -> None:
        self.btf = btf = Btf()
        self.number, self.word = btf.add_int("int", 4, is_signed=True), btf.add_int("unsigned long", 8)
        queue = btf.add_struct("request_queue", 8, [("id", self.word, 0)])
        self.queue = btf.add_ptr(queue)
        self.request = btf.add_ptr(btf.add_struct("request", 8, [("q", self.queue, 0)]))
        common = btf.add_struct("sock_common", 8, [("port", self.word, 0)])
        sock = btf.add_struct("sock", 16, [("common", common, 0), ("rest", self.word, 64)])
        self.common, self.sock, self.void = btf.add_ptr(common), btf.add_ptr(sock), btf.add_ptr(0)

    def tracepoint(self, **params: int) -> arguments.Prototype:
        """As it stands in BTF: its type names nothing, a function of it does."""
        whole = [("__data", self.void), *params.items()]
        bare = self.btf.add_func_proto(0, [("", kind) for _, kind in whole])
        number = self.btf.add_typedef("btf_trace_issued", self.btf.add_ptr(bare))
        self.btf.add_func("__traceiter_issued", self.btf.add_func_proto(self.number, whole))
        found = arguments.prototype(self.btf, number, "issued", "trace_raw_tp")
        assert found is not None
        return found

    def function(self, attach_type: str, **params: int) -> arguments.Prototype:
        number = self.btf.add_func("issued", self.btf.add_func_proto(self.number, params.items()))
        found = arguments.prototype(self.btf, number, "issued", attach_type)
        assert found is not None
        return found


def program(text: str = "exit") -> ProgramSpec:
    return ProgramSpec("p", "tp_btf/issued", "tracing", tuple(assemble(text)), {0: Location("p.py", 7, 0)})


def declaring(**params: str) -> Btf:
    """An object's types: structs by their names, pointed to, or numbers."""
    btf, found = Btf(), {}
    numbers = {"u32": btf.add_int("u32", 4), "u64": btf.add_int("u64", 8)}
    for name, kind in params.items():
        found[name] = numbers[kind] if kind in numbers else btf.add_ptr(btf.add_fwd(kind))
    btf.add_func("____p", btf.add_func_proto(0, [("ctx", btf.add_ptr(0)), *found.items()]), 0)
    return btf


def told(there: arguments.Prototype, **params: str) -> str:
    with pytest.raises(LoadError) as error:
        arguments.check(program(), declaring(**params), (), {}, there)
    return str(error.value)


def test_another_form_of_a_tracepoint_is_told_with_both() -> None:
    kernel = Kernel()
    there = kernel.tracepoint(q=kernel.queue, rq=kernel.request)
    assert told(there, rq="request") == (
        "p: p.py:7: this kernel has tracepoint issued(struct request_queue *q, struct request *rq), and the program "
        "takes argument 1 for `struct request *rq`; compile it for this kernel, or let it ask the kernel's types which "
        "of both there is"
    )
    assert "takes argument 3 for `u64 more`" in told(there, q="request_queue", rq="request", more="u64")
    arguments.check(program(), declaring(q="request_queue", rq="request"), (), {}, there)
    arguments.check(program(), declaring(arg1="u64", rq="request"), (), {}, there)


def test_what_a_word_may_be_taken_for() -> None:
    kernel = Kernel()
    there = kernel.tracepoint(
        sk=kernel.sock, common=kernel.common, any=kernel.void, count=kernel.number, at=kernel.word
    )
    plain = dict(sk="sock", common="sock_common", any="request", count="u64", at="u64")
    for name, kind in (("sk", "sock_common"), ("common", "sock"), ("any", "sock"), ("sk", "u64"), ("at", "request"),
                       ("count", "u32"), ("sk", "not_in_the_kernel")):  # fmt: skip
        arguments.check(program(), declaring(**{**plain, name: kind}), (), {}, there)
    for name, kind in (("sk", "request"), ("sk", "u32"), ("count", "request")):
        assert "and the program takes argument " in told(there, **{**plain, name: kind})


def test_arguments_that_changed_places() -> None:
    kernel = Kernel()
    there = kernel.tracepoint(next=kernel.sock, prev=kernel.sock)
    assert "takes argument 1 for `struct sock *prev`" in told(there, prev="sock", next="sock")
    arguments.check(program(), declaring(a="sock", b="sock"), (), {}, there)  # names of the program's own


def test_what_a_function_returns_stands_behind_its_arguments() -> None:
    kernel = Kernel()
    there = kernel.function("trace_fexit", sk=kernel.sock)
    arguments.check(program(), declaring(sk="sock", ret="u32"), (), {}, there)
    assert "takes argument 3 for what it returns" in told(there, sk="sock", arg2="u64", ret="u32")
    assert "takes argument 2 for `u32 ret`" in told(Kernel().function("trace_fentry", sk=1), sk="u64", ret="u32")


def test_a_struct_is_as_many_words_as_it_has() -> None:
    kernel = Kernel()
    pair = kernel.btf.add_struct("pair", 16, [("a", kernel.word, 0), ("b", kernel.word, 64)])
    there = kernel.function("trace_fentry", both=pair, sk=kernel.sock)
    arguments.check(program(), declaring(arg1="u64", arg2="u64", sk="sock"), (), {}, there)
    assert "takes argument 2" in told(there, arg1="u64", sk="sock")


# an argument that is kept, a constant that decides which way is gone, a field behind the argument on each
READS = """
r6 = *(u64 *)(r1 + 0)
*(u64 *)(r10 - 8) = r6
r1 = 0 ll
r2 = *(u32 *)(r1 + 0)
if r2 == 0 goto pc+4
r7 = *(u64 *)(r10 - 8)
r3 = 0
r7 += r3
exit
r8 = *(u64 *)(r6 + 0)
exit
"""
CORE = (CoreReloc(7, "field_byte_offset", 5, "0:0"), CoreReloc(10, "field_byte_offset", 6, "0:0"))


@pytest.mark.parametrize(
    ("data", "found"), [({}, [5, 6]), ({"m": bytes(4)}, [6]), ({"m": b"\1\0\0\0"}, [5])], ids=["both", "0", "1"]
)  # fmt: skip
def test_ways_that_constants_close_are_not_gone(data: Mapping[str, bytes], found: list[int]) -> None:
    one = program(READS)
    code = [*one.insns[:2], insn("lddw_map_value", 1, symbol="m"), *one.insns[3:]]
    told = uses(replace(one, insns=tuple(code)), CORE, data)
    assert [use.type for use in told if use.type] == found
    assert Use(0, 0) in told


def test_a_field_behind_an_argument_says_its_struct() -> None:
    kernel, own = Kernel(), Btf()
    root = own.add_struct("request___mine", 8, [("q", own.add_ptr(0), 0)])
    code = program("r6 = *(u64 *)(r1 + 0)\nr7 = *(u64 *)(r6 + 0)\nr0 = 0\nexit")
    core = (CoreReloc(1, "field_byte_offset", root, "0:0"),)
    arguments.check(code, own, core, {}, Kernel().tracepoint(rq=kernel.request))
    with pytest.raises(LoadError, match=r"takes argument 1 for `struct request___mine \*`"):
        arguments.check(code, own, core, {}, kernel.tracepoint(q=kernel.queue, rq=kernel.request))


@bpf.tp_btf("sched_switch")
def switched(next: task_struct) -> None: ...


def test_programs_of_ours_declare_what_they_take() -> None:
    btf = compile_object([switched]).spec.btf
    assert btf is not None
    (one,) = arguments.declared(btf, "switched")
    assert (one.name, one.word, btf.name_of(one.type)) == ("next", 2, "struct task_struct *")
