"""Whole objects in the kernel: what is made, filled and shared, in which order, and that an error leaves nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bpfvm
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Input
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel import KERNEL
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.objects.install import Installed, install
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import ExternSpec, MapSpec, ObjectSpec, ProgramSpec
from kernel_tests.libbpf.whole import program_facts

FRAME = bytes(range(64))
LOOKUP, TAIL_CALL, RINGBUF_OUTPUT = 1, 12, 130  # enum bpf_func_id
PASS = (insn("mov64_k", 0, imm=2), insn("exit"))
DROP = (insn("mov64_k", 0, imm=1), insn("exit"))
BAD = (insn("ldx64", 0, 1, 4096), insn("exit"))


def types() -> tuple[Btf, int]:
    btf = Btf()
    return btf, btf.add_int("unsigned int", 4)


def program(name: str, *code: Insn, section: str = "xdp", type: str = "xdp") -> ProgramSpec:
    return ProgramSpec(name, section, type, code or PASS)


def of(*parts: ProgramSpec | MapSpec, btf: Btf | None = None, **more: Any) -> ObjectSpec:
    programs = {one.name: one for one in parts if isinstance(one, ProgramSpec)}
    return ObjectSpec(programs, {one.name: one for one in parts if isinstance(one, MapSpec)}, btf, **more)


def typed(name: str, kind: str = "hash", entries: int = 16) -> tuple[MapSpec, Btf]:
    btf, u32 = types()
    return MapSpec(name, kind, 4, 4, entries, key_type=u32, value_type=u32), btf


@contextmanager
def nothing_left_open() -> Iterator[None]:
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before


def run(installed: Installed, name: str) -> int:
    return installed.programs[name].run(Input(packet=FRAME)).r0


def test_all_programs_that_load_by_themselves_are_loaded_and_all_maps_made() -> None:
    counts, btf = typed("counts")
    spec = of(program("a"), program("b", *DROP), program("c", *BAD, section="?xdp"), counts, btf=btf)
    with nothing_left_open(), install(spec) as installed:
        assert (list(installed.programs), list(installed.maps)) == (["a", "b"], ["counts"])
        assert (run(installed, "a"), run(installed, "b")) == (2, 1)
        installed.maps["counts"][5] = 6
        assert dict(installed.maps["counts"].items()) == {5: 6}


def test_named_programs_are_loaded_also_those_that_do_not_load_by_themselves() -> None:
    spec = of(program("a", *BAD), program("b", *DROP, section="?xdp"))
    with install(spec, ["b"]) as installed:
        assert list(installed.programs) == ["b"]
    with pytest.raises(UsageError, match=r"^there is no program 'z'; the programs are a, b$"):
        install(spec, ["z"])


def test_what_other_programs_want_of_the_kernel_is_not_asked_for() -> None:
    lost = program("lost", insn("lddw", 1, symbol="nowhere"), *PASS)
    externs = {"nowhere": ExternSpec("nowhere", "ksym", 0)}
    with install(of(program("a"), lost, externs=externs), ["a"]) as installed:
        assert list(installed.programs) == ["a"]
    with nothing_left_open(), pytest.raises(LoadError, match=r"^extern nowhere: the kernel has no symbol of this name"):
        install(of(program("a"), lost, externs=externs))
    weak = {"nowhere": replace(externs["nowhere"], weak=True)}
    with install(of(program("a"), lost, externs=weak)) as installed:
        assert run(installed, "lost") == 2


def test_contents_are_given_by_type_or_as_bytes() -> None:
    counts, btf = typed("counts")
    raw = MapSpec("raw", "array", 4, 2, 2)
    spec = of(program("a"), counts, raw, btf=btf)
    with install(spec, maps={"counts": {1: 10, 2: 20}, "raw": [(bytes(4), b"ab")]}) as installed:
        assert dict(installed.maps["counts"].items()) == {1: 10, 2: 20}
        assert installed.maps["raw"][0] == b"ab"


def test_constants_are_given_before_they_are_frozen() -> None:
    """The verifier takes the loop's bound for a constant: it has to be the one that was given."""
    spec = bpfvm.load(str(Path(__file__).parents[2] / "tests" / "objects" / "data_rodata.o")).spec
    constants = spec.maps[".rodata"]
    with install(spec) as installed:
        names = list(installed.maps[".rodata"].variables)
        first = next(name for name in names if isinstance(installed.maps[".rodata"][name], int))
        declared = installed.maps[".rodata"][first]
        with pytest.raises(UsageError):
            installed.maps[".rodata"][first] = 1
    with install(spec, maps={".rodata": {first: declared + 3}}) as installed:
        assert installed.maps[".rodata"][first] == declared + 3
    unknown = r"^map .rodata: there is no variable 'z'; the variables are "
    with nothing_left_open(), pytest.raises(UsageError, match=unknown):
        install(spec, maps={".rodata": {"z": 1}})
    assert spec.maps[".rodata"] == constants


def test_variables_are_memory_that_is_shared() -> None:
    """A counter in .bss: what the program stores is read without a call, and the other way round."""
    btf, _ = types()
    data = MapSpec(".bss", "array", 4, 8, 1, initial=bytes(8), section=".bss")
    code = (insn("lddw_map_value", 1, symbol=".bss"), insn("ldx64", 2, 1), insn("add64_k", 2, imm=1),
            insn("stx64", 1, 2), *PASS)  # fmt: skip
    with install(of(program("count", *code), data, btf=btf)) as installed:
        view = installed.maps[".bss"].numpy()
        for _ in range(3):
            run(installed, "count")
        assert bytes(view[0]) == (3).to_bytes(8, "little")


def test_programs_jump_to_programs_that_jump_on() -> None:
    """Prog arrays of programs that are reached by prog arrays are filled, too."""

    def jump(to: str) -> tuple[Insn, ...]:
        return insn("lddw_map", 2, symbol=to), insn("mov64_k", 3), insn("call", imm=TAIL_CALL), *DROP

    spec = of(
        program("one", *jump("first")), program("two", *jump("second"), section="?xdp"),
        program("three", insn("mov64_k", 0, imm=3), insn("exit"), section="?xdp"),
        MapSpec("first", "prog_array", 4, 4, 1, contents=((0, "two"),)),
        MapSpec("second", "prog_array", 4, 4, 1, contents=((0, "three"),)),
    )  # fmt: skip
    with nothing_left_open(), install(spec) as installed:
        assert run(installed, "one") == 3
        assert set(installed.programs) == {"one", "two", "three"}
    with nothing_left_open(), closing(KERNEL.load(spec, "one")) as loaded:
        assert loaded.run(Input(packet=FRAME)).r0 == 3


def test_maps_of_maps_hold_what_is_declared() -> None:
    outer = MapSpec("outer", "array_of_maps", 4, 4, 3, inner=MapSpec("outer.inner", "array", 4, 4, 1),
                    contents=((2, "inside"),))  # fmt: skip
    with install(of(program("a"), MapSpec("inside", "array", 4, 4, 1), outer)) as installed:
        assert list(installed.maps["outer"]) == [2]
        installed.maps["inside"][0] = b"abcd"
        assert installed.maps["outer"][2][0] == b"abcd"


def test_maps_are_counted_in_the_order_of_the_object() -> None:
    code = (insn("lddw_map_idx_value", 1, imm=1 | 4 << 32), insn("ldx32", 0, 1), insn("exit"))
    data = MapSpec("data", "array", 4, 8, 1, initial=bytes(4) + b"\x02\0\0\0")
    spec = of(program("a", *code), MapSpec("other", "array", 4, 4, 1), data)
    with install(spec) as installed:
        assert run(installed, "a") == 2
    with closing(KERNEL.load(spec, "a")) as loaded:
        assert loaded.run(Input(packet=FRAME)).r0 == 2
    wrong = of(program("a", insn("lddw_map_idx", 1, imm=2), *PASS), data)
    with pytest.raises(
        LoadError, match=r"^a: instruction 0: lddw_map_idx wants map number 2, and .* data, counted from 0$"
    ):
        install(wrong)


def test_events_are_read_by_the_map_and_not_by_runs() -> None:
    ring = MapSpec("events", "ringbuf", 0, 0, 4096)
    code = (insn("lddw", 1, imm=0x64636261), insn("stx64", 10, 1, -8), insn("lddw_map", 1, symbol="events"),
            insn("mov64_x", 2, 10), insn("add64_k", 2, imm=-8), insn("mov64_k", 3, imm=4), insn("mov64_k", 4),
            insn("call", imm=RINGBUF_OUTPUT), *PASS)  # fmt: skip
    with install(of(program("a", *code), ring)) as installed, installed.maps["events"].reader() as reader:
        assert installed.programs["a"].run(Input(packet=FRAME)).events == {}
        assert [bytes(one) for one in reader.read()] == [b"abcd"]


def test_an_arena_is_mapped() -> None:
    path = Path(__file__).parents[2] / "tests" / "objects" / "insns_arena.o"
    with nothing_left_open(), bpfvm.load(str(path)).install() as installed:
        assert list(installed.programs) == ["push"]


ATTACHED = [("cgroup_skb/egress", "cgroup_skb", 3), ("cgroup_skb/ingress", "cgroup_skb", 1)]


@pytest.mark.parametrize(("section", "kind", "largest"), ATTACHED)
def test_attach_types_reach_the_verifier_also_where_they_may_be_left_out(section: str, kind: str, largest: int) -> None:
    """On the way out 2 and 3 have a meaning; on the way in they are refused."""
    for value in range(4):
        spec = of(program("a", insn("mov64_k", 0, imm=value), insn("exit"), section=section, type=kind))
        if value <= largest:
            install(spec).close()
            continue
        with pytest.raises(VerifierReject):
            install(spec)


# errors: what, where, why, what to do; and that nothing is left


def struct_ops() -> ObjectSpec:
    return of(program("a"), program("ssthresh", section="struct_ops/ssthresh", type="struct_ops"))


NOT_INSTALLED: list[tuple[ObjectSpec, dict[str, Any], type[BpfvmError], str]] = [
    (of(program("a"), program("b", *BAD)), {}, VerifierReject,
     "invalid bpf_context access off=4096 size=8, at instruction 0: r0 = *(u64 *)(r1 +4096), in program b"),
    (of(program("a"), MapSpec("m", "array", 4, 8, 1, flags=1)), {}, LoadError,
     "map m: this kernel makes no array map of this shape (EINVAL): max_entries 1, value_size 8, flags 0x1"),
    (of(program("a"), MapSpec("m", "struct_ops", 4, 8, 1)), {}, LoadError,
     "map m: a struct_ops map is made of a table of functions in section .struct_ops"),
    (struct_ops(), {}, LoadError,
     "ssthresh: a struct_ops program is loaded for a member of a table, and stands in none; name it in a variable of "
     "section .struct_ops, or choose the other programs by name"),
    (of(program("a", section="fentry/no_such_function", type="tracing")), {}, LoadError,
     "section fentry/no_such_function: the kernel's BTF has no no_such_function to attach to, in program a"),
    (of(program("a", section="fentry/ghost:f", type="tracing")), {}, LoadError,
     "section fentry/ghost:f: the BTF of module ghost has no f to attach to, in program a"),
    (of(program("a", section="fentry", type="tracing")), {}, LoadError,
     "section fentry: it does not say what the program is for; write fentry/NAME, or leave the program out by choosing "
     "others by name, in program a"),
    (of(program("a", section="2/7", type="unspec")), {}, LoadError,
     "a: section '2/7' does not tell the program's type; name the section as the type is named"),
    (of(program("a")), {"maps": {"z": {}}}, UsageError, "maps: there is no map 'z'; the maps are none"),
    (of(program("a")), {"reuse": {"z": 0}}, UsageError, "reuse: there is no map 'z'; the maps are none"),
    (of(program("a"), typed("m")[0], btf=typed("m")[1]), {"maps": {"m": {1 << 40: 1}}}, UsageError,
     "map m key: 1099511627776 is not from 0 to 4294967295; it is an unsigned integer of 4 bytes"),
    (of(program("a"), MapSpec("jumps", "prog_array", 4, 4, 1)), {"maps": {"jumps": {0: "z"}}}, UsageError,
     "there is no program 'z'; the programs are a"),
    (of(program("a", insn("lddw_map", 1, symbol="gone"), *PASS)), {}, LoadError,
     "a: there is no map 'gone'; the maps are none"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "arguments", "kind", "message"), NOT_INSTALLED)
def test_objects_that_cannot_be_installed(
    spec: ObjectSpec, arguments: dict[str, Any], kind: type[BpfvmError], message: str
) -> None:
    with nothing_left_open(), pytest.raises(kind) as caught:
        install(spec, **arguments)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, VerifierReject) or caught.value.log


def failure(spec: ObjectSpec) -> Unavailable | None:
    try:
        install(spec).close()
    except Unavailable as error:
        return error
    return None


def test_refused_by_the_hosts_policy_names_the_program() -> None:
    """Where functions of the kernel may not be traced; else the program loads."""
    spec = of(program("a"), program("enter", insn("mov64_k", 0), insn("exit"), section="fentry/vfs_read",
                                    type="tracing"))  # fmt: skip
    error = failure(spec)
    if error is not None:
        assert str(error).startswith("refused by this host's policy: loading a program of type tracing gives EPERM")
        assert str(error).endswith(", in program enter")


def test_what_is_closed_says_so() -> None:
    counts, btf = typed("counts")
    installed = install(of(program("a"), counts, btf=btf))
    installed.close()
    installed.close()
    with pytest.raises(UsageError, match=r"^map counts is closed; install or load its object again to use it$"):
        installed.maps["counts"][1]
    with pytest.raises(UsageError, match=r"^this program is closed; load it again to use it$"):
        installed.programs["a"].run(Input(packet=FRAME))


def test_a_program_closed_alone_leaves_the_maps() -> None:
    counts, btf = typed("counts")
    with install(of(program("a"), program("b", *DROP), counts, btf=btf)) as installed:
        installed.programs["a"].close()
        installed.maps["counts"][1] = 2
        assert run(installed, "b") == 1


# sharing


def test_maps_are_shared_between_objects() -> None:
    counts, btf = typed("counts")
    spec = of(program("a"), counts, btf=btf)
    with nothing_left_open(), ExitStack() as opened:
        first = opened.enter_context(install(spec))
        first.maps["counts"][1] = 2
        made = opened.enter_context(closing(KernelMap(counts)))
        for shared in (first.maps["counts"], first.maps["counts"].fd, first.maps["counts"].fd.number):
            other = opened.enter_context(install(spec, reuse={"counts": shared}))
            assert other.maps["counts"][1] == 2
        third = opened.enter_context(install(spec, reuse={"counts": made}, maps={"counts": {5: 6}}))
        first.close()
        assert (other.maps["counts"][1], dict(third.maps["counts"].items())) == (2, {5: 6})


def test_what_is_shared_keeps_its_contents() -> None:
    data = MapSpec(".data", "array", 4, 8, 1, initial=b"declared", section=".data")
    spec = of(program("a", insn("lddw_map_value", 1, symbol=".data"), *PASS), data)
    with install(spec) as first:
        first.maps[".data"][0] = b"changed!"
        with install(spec, reuse={".data": first.maps[".data"]}) as second:
            assert second.maps[".data"][0] == b"changed!"


UNLIKE = [
    (MapSpec("m", "array", 4, 4, 16), "type array, declared hash"),
    (MapSpec("m", "hash", 8, 4, 16), "key_size 8, declared 4"),
    (MapSpec("m", "hash", 4, 8, 17), "value_size 8, declared 4, max_entries 17, declared 16"),
    (MapSpec("m", "hash", 4, 4, 16, flags=1), "flags 0x1, declared 0x0"),
]


@pytest.mark.parametrize(("there", "different"), UNLIKE)
def test_a_map_that_differs_is_not_shared(there: MapSpec, different: str) -> None:
    spec = of(program("a"), MapSpec("m", "hash", 4, 4, 16))
    with nothing_left_open(), closing(KernelMap(there)) as made, pytest.raises(LoadError) as caught:
        install(spec, reuse={"m": made})
    assert str(caught.value) == (
        f"map m: the one to share is not what the object declares: {different}; remove it, or declare the map as it is"
    )


def test_what_is_no_map_is_not_shared() -> None:
    spec = of(program("a"), MapSpec("m", "hash", 4, 4, 16))
    with install(spec) as installed, open("/dev/null", "rb") as file:
        for one, message in (
            (installed.programs["a"], "map m: the one to share is no map"),
            (file.fileno(), "map m: the one to share is no map"),
            (1 << 20, "map m: descriptor 1048576 cannot be shared: Bad file descriptor"),
            (None, "map m: None is no map to share; give a map, its descriptor, or a pin's path"),
            (3.5, "map m: 3.5 is no map to share; give a map, its descriptor, or a pin's path"),
        ):
            with nothing_left_open(), pytest.raises(UsageError) as caught:
                install(spec, reuse={"m": one})
            assert str(caught.value) == message


def test_constants_are_tied_to_programs_as_libbpf_ties_them() -> None:
    data = MapSpec(".rodata", "array", 4, 8, 1, flags=1 << 7, initial=bytes(8), section=".rodata")
    with install(of(program("a"), data)) as installed:
        assert program_facts(installed.programs["a"].fd.number)[3] == 1  # maps


def test_users_install_an_object(tmp_path: Path) -> None:
    """As documented: from a file, with its maps by name."""
    object = bpfvm.load(str(Path(__file__).parents[2] / "tests" / "objects" / "xdp_count.o"))
    with object.install() as installed:
        assert repr(installed).startswith("<bpfvm.Installed programs: ")
        name = next(iter(installed.programs))
        assert installed.programs[name].run(Input(packet=FRAME)).r0 in range(5)
        listed = subprocess.run(["bpftool", "prog", "list"], capture_output=True, text=True, timeout=60, check=False)
        assert listed.returncode or name[:15] in listed.stdout
