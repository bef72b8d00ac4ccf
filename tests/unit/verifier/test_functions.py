"""Functions that are verified by themselves, and locks in data sections: what BTF tells decides."""

from __future__ import annotations

from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, STATIC, SecVar
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.datafile import helper_number
from bpfvm.verifier.program.object import verify
from bpfvm.verifier.structures.fields import Field, special_fields

CALLER = "call pc+2\nr0 = 1\nexit\n"  # the function begins at slot 3


def verdict(body: str, linkage: int = GLOBAL, before: str = "") -> tuple[str, str]:
    """Of a cgroup_skb program that calls a function of one int."""
    btf = Btf()
    number = btf.add_int("int", 4, is_signed=True)
    proto = btf.add_func_proto(number, [("a", number)])
    btf.add_func("p", proto)
    btf.add_func("f", proto, linkage)
    text = before + CALLER.replace("pc+2", "f") + f"f:\n{body}"
    insns = tuple(assemble(text, helper=helper_number))
    start = 3 + before.count("\n")
    function = FunctionSpec("f", start, is_static=linkage == STATIC)
    program = ProgramSpec("p", "cgroup_skb", "cgroup_skb", insns, functions=(function,))
    found = verify(ObjectSpec({"p": program}, {}, btf), "p")
    return found.verdict, found.message


def test_what_a_global_function_returns_is_any_number() -> None:
    assert verdict("call bpf_get_prandom_u32\nexit\n", before="r1 = 1\n") == ("accept", "")


def test_a_global_function_takes_what_its_declaration_says() -> None:
    answer = verdict("r0 = r1\nexit\n", before="r2 = 1\n")
    assert answer == ("reject", "R1 is not a scalar; Caller passes invalid args into func#1 ('f')")


def test_a_static_function_is_walked_with_its_caller() -> None:
    assert verdict("r0 = *(u32 *)(r1 +0)\nexit\n", STATIC) == ("accept", "")
    assert verdict("r0 = *(u32 *)(r1 +0)\nexit\n")[0] == "reject"


def test_a_global_function_is_walked_with_any_argument() -> None:
    answer = verdict("r2 = r10\nr2 += r1\nr0 = *(u8 *)(r2 +0)\nexit\n", before="r1 = -8\n")
    assert answer == ("reject", "math between fp pointer and register with unbounded min value is not allowed")


def test_locks_in_data_sections_are_found() -> None:
    btf = Btf()
    word = btf.add_int("unsigned int", 4)
    lock = btf.add_struct("bpf_spin_lock", 4, [("val", word, 0)])
    held = btf.add_struct("held", 16, [("count", word, 0), ("lock", lock, 8)])
    variable = btf.add_var("held", held)
    section = btf.add_datasec(".data", 24, [SecVar(variable, 8, 16)])
    assert list(special_fields(btf, section)) == [Field(16, 4, "bpf_spin_lock")]
    assert MapSpec("m", "array", 4, 24, 1, value_type=section).value_type == section
