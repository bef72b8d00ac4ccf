"""The reader of data files: what it reads, what it refuses, and that its comparison notices what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.bits import M64
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Fault, Input, Result
from bpfvm.isa.disasm import text
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.testing.datafile import NAME, UNSTORED, Case, load_cases, read_cases


def cases(tmp_path: Path, words: str) -> list[Case]:
    path = tmp_path / "some.data"
    path.write_text(words)
    return read_cases(path)


def one(tmp_path: Path, words: str) -> Case:
    (case,) = cases(tmp_path, words)
    return case


FULL = """# a file with one case
-- asm
r0 = *(u8 *)(r1 +1)     # the second byte
exit
-- mem
01 02
03                      # more
-- mem-after
01 02 03
-- result
2
"""


def test_a_file_of_one_case(tmp_path: Path) -> None:
    case = one(tmp_path, FULL)
    assert (case.name, case.type, case.mem, case.result) == ("some", "syscall", b"\1\2\3", 2)
    assert [text(insn) for insn in case.insns] == ["r0 = *(u8 *)(r1 +1)", "exit"]
    assert [insn.source and insn.source.line for insn in case.insns] == [3, 4]
    assert str(case.place) == f"{tmp_path}/some.data:2"


def test_several_cases_and_rows(tmp_path: Path) -> None:
    found = cases(
        tmp_path,
        "-- case first\n-- asm\nr0 = 1\nexit\n-- result\n-1\n"
        "-- case second\n-- asm\nr0 += r1\nexit\n-- rows r1 r0\n1 -2 -> -1\n# no row\n0xff 0 -> 0xff  # a comment\n",
    )
    assert [case.name for case in found] == ["some: first", "some: second: r1=1 r0=-2", "some: second: r1=0xff r0=0"]
    assert [case.result for case in found] == [M64, M64, 0xFF]
    assert found[1].mem == (1).to_bytes(8, "little") + (M64 - 1).to_bytes(8, "little")
    assert [text(insn) for insn in found[1].insns[:2]] == ["r0 = *(u64 *)(r1 +8)", "r1 = *(u64 *)(r1 +0)"]
    assert found[2].place.line == 14


def test_the_plain_program(tmp_path: Path) -> None:
    case = one(tmp_path, FULL)
    program = case.spec().programs[NAME]
    assert (program.type, program.section, program.insns, program.functions) == ("syscall", "syscall", case.insns, ())
    assert case.input() == Input(ctx=b"\1\2\3")


def test_the_program_that_stores_r0(tmp_path: Path) -> None:
    case = one(tmp_path, FULL)
    program = case.spec(store_result=True).programs[NAME]
    assert [text(insn) for insn in program.insns] == [
        "r6 = r1", "call pc+3", "*(u64 *)(r6 +8) = r0", "r0 = 0", "exit", "r0 = *(u8 *)(r1 +1)", "exit",
    ]  # fmt: skip
    assert [(one.name, one.slot) for one in program.functions] == [("body", 5)]
    assert case.context() == b"\1\2\3" + bytes(5) + UNSTORED
    assert case.input(store_result=True) == Input(ctx=case.context())


def test_functions_of_a_case(tmp_path: Path) -> None:
    case = one(tmp_path, "-- asm\nr1 = 1 ll\ncall f\nexit\nf: r0 = 1\nexit\n-- result\n1\n")
    slots = [[(one.name, one.slot) for one in case.spec(stored).programs[NAME].functions] for stored in (False, True)]
    assert slots == [[("f1", 4)], [("body", 5), ("f1", 9)]]


def test_a_packet_case_is_the_same_either_way(tmp_path: Path) -> None:
    case = one(tmp_path, "-- type\nxdp\n-- asm\nr0 = 2\nexit\n-- mem\n00 01\n-- mem-after\n00 01\n-- result\n2\n")
    assert case.spec(store_result=True) == case.spec()
    assert case.input(store_result=True) == Input(packet=b"\0\1")
    assert case.check(Result(r0=2, r0_bits=32, packet=b"\0\1")) == []
    assert case.check(Result(r0=2, r0_bits=32, packet=b"\0\2")) == [
        f"{case.place}: memory after is 00 02, and must be 00 01"
    ]
    assert case.check(Result(r0=2)) == [f"{case.place}: memory after is not known, and must be 00 01"]


def test_right_results_are_right(tmp_path: Path) -> None:
    case = one(tmp_path, FULL)
    assert case.check(Result(r0=2, ctx=b"\1\2\3")) == []
    assert case.check(Result(r0=2, r0_bits=32, ctx=b"\1\2\3")) == []
    assert case.check(Result(r0=0, ctx=b"\1\2\3" + bytes(5) + (2).to_bytes(8, "little"))) == []


def test_wrong_results_are_found(tmp_path: Path) -> None:
    case = one(tmp_path, FULL)
    place = case.place
    assert case.check(Result(r0=3, ctx=b"\1\2\3")) == [f"{place}: r0 is 0x3, and must be 0x2 (64 bits)"]
    assert case.check(Result(r0=1 << 32 | 2, ctx=b"\1\2\3")) == [
        f"{place}: r0 is 0x100000002, and must be 0x2 (64 bits)"
    ]
    assert case.check(Result(r0=3, r0_bits=32, ctx=b"\1\2\3")) == [f"{place}: r0 is 0x3, and must be 0x2 (32 bits)"]
    assert case.check(Result(r0=2, ctx=b"\1\2\4")) == [f"{place}: memory after is 01 02 04, and must be 01 02 03"]
    assert case.check(Result(r0=2, ctx=case.context())) == [
        f"{place}: r0 is 0xa5a5a5a5a5a5a5a5, and must be 0x2 (64 bits)"
    ]
    fault = Fault("access", "no such place")
    assert case.check(Result(r0=2, ctx=b"\1\2\3", fault=fault)) == [
        f"{place}: it ended by a fault, access: no such place"
    ]
    assert case.check_refusal(LoadError("too bad")) == [f"{place}: it was refused: too bad"]


def test_every_committed_result_matters() -> None:
    folder = Path(__file__).resolve().parents[2] / "isa"
    compared = 0
    for case in load_cases(folder):
        if case.result is not None:
            run = Result(r0=case.result, packet=case.expect.memory, ctx=None if case.has_packet else case.expect.memory)
            assert case.check(run) == []
            assert len(case.check(replace(run, r0=case.result ^ 1 << 63))) == 1
            compared += 1
    print(f"{compared} results")
    assert compared >= 620


def test_faults_and_refusals(tmp_path: Path) -> None:
    case = one(tmp_path, "-- asm\nexit\n-- fault\nuninit: r0 is read\n-- kernel\nR0 !read_ok\n")
    assert case.expect.kernel == "R0 !read_ok"
    assert case.check(Result(fault=Fault("uninit", "r0 is read before it is written"))) == []
    assert case.check(Result()) == [f"{case.place}: it ended without a fault, and must end by uninit: r0 is read"]
    assert len(case.check(Result(fault=Fault("access", "r0 is read")))) == 1
    assert len(case.check(Result(fault=Fault("uninit", "r1 is read")))) == 1
    case = one(tmp_path, "-- asm\nr0 /= 0\nexit\n-- refused\nthe constant 0\n")
    assert case.check_refusal(LoadError("it divides by the constant 0")) == []
    assert len(case.check_refusal(LoadError("no"))) == 1
    assert case.check(Result()) == [f"{case.place}: it was loaded, and must be refused with 'the constant 0'"]


ASM = "-- asm\nexit\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "FILE: there is no section, so no case"),
        ("# nothing\n", "FILE: there is no section, so no case"),
        ("exit\n", "FILE:1: met 'exit' where a comment or a section (-- asm) is wanted"),
        (
            "-- code\n",
            "FILE:1: there is no section 'code'; sections are case, asm, mem, type, result, rows, fault, refused, "
            "mem-after, kernel",
        ),
        ("-- asm x\nexit\n", "FILE:1: met 'x' where `-- asm` wants nothing behind it"),
        ("-- case\n", "FILE:1: met '' where `-- case` wants a name behind it"),
        ("-- rows\n", "FILE:1: met '' where `-- rows` wants names of registers behind it"),
        (ASM + ASM, "FILE:3: section 'asm' is there twice; `-- case NAME` begins another case"),
        ("-- case a\nr0 = 1\n", "FILE:1: met text where `-- case` wants a section behind it"),
        ("-- case a\n-- result\n1\n", "FILE:1: case 'some: a' has no section asm"),
        (ASM, "FILE:1: case 'some' has none of result, rows, fault, refused, and must have one"),
        (
            ASM + "-- result\n1\n-- fault\na: b\n",
            "FILE:1: case 'some' has result and fault of result, rows, fault, refused, and must have one",
        ),
        ("-- asm\n# none\n-- result\n1\n", "FILE:1: this section has no instruction"),
        (
            "-- asm\nr0 = 1\nexit exit\n-- result\n1\n",
            "FILE:3: `exit exit`: met 'exit' where the end of the line is wanted",
        ),
        (
            "-- asm\nr1 = map[m]\nexit\n-- result\n1\n",
            "FILE:2: m is not in this file: data files have no maps in this version",
        ),
        (ASM + "-- result\n", "FILE:3: this section has 0 lines, and must have one"),
        (ASM + "-- result\n1\n2\n", "FILE:3: this section has 2 lines, and must have one"),
        (ASM + "-- result\none\n", "FILE:4: met 'one' where a 64-bit number, decimal or hex, is wanted"),
        (ASM + "-- result\n007\n", "FILE:4: met '007' where a 64-bit number, decimal or hex, is wanted"),
        (
            ASM + "-- result\n0x10000000000000000\n",
            "FILE:4: met '0x10000000000000000' where a 64-bit number, decimal or hex, is wanted",
        ),
        (
            ASM + "-- fault\noops\n",
            "FILE:4: met 'oops' where a fault's kind, a colon and part of its message are wanted",
        ),
        (ASM + "-- mem\n0g\n-- result\n1\n", "FILE:4: met '0g' where bytes in hex are wanted"),
        (
            ASM + "-- type\nx\n-- result\n1\n",
            f"FILE:4: there is no program type 'x'; types are {', '.join(PROGRAM_TYPES)}",
        ),
        (ASM + "-- mem-after\n00\n-- result\n1\n", "FILE:1: mem-after has 1 bytes, and mem has 0"),
        (
            ASM + f"-- mem\n{'00' * 0x7FF1}\n-- result\n1\n",
            "FILE:1: 32753 bytes of memory are more than the 32752 that a case can have",
        ),
        (ASM + "-- rows r0 r0\n1 1 -> 1\n", "FILE:3: met r0 where registers r0 to r9, each once, are wanted"),
        (ASM + "-- rows r10\n1 -> 1\n", "FILE:3: met r10 where registers r0 to r9, each once, are wanted"),
        (ASM + "-- rows r0\n", "FILE:3: there is no row"),
        (ASM + "-- rows r0\n1 2 -> 1\n", "FILE:4: met '1 2 -> 1' where 1 numbers, -> and r0 are wanted"),
        (ASM + "-- rows r0\n1\n", "FILE:4: met '1' where 1 numbers, -> and r0 are wanted"),
        (
            ASM + "-- mem\n00\n-- rows r0\n1 -> 1\n",
            "FILE:5: rows make the memory of a syscall program, so mem and type do not go with them",
        ),
        (
            ASM + "-- rows r0\n1 -> 1\n1 -> 1\n",
            "FILE:5: there is another case 'some: r0=1' in line 4",
        ),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, words: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        cases(tmp_path, words)
    assert str(caught.value) == message.replace("FILE", f"{tmp_path}/some.data")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"there are no data files \(\*\.data\)$"):
        load_cases(tmp_path)
    with pytest.raises(LoadError, match="a data file cannot be read: "):
        read_cases(tmp_path / "none.data")
    (tmp_path / "bytes.data").write_bytes(b"\xff")
    with pytest.raises(LoadError, match="a data file cannot be read: "):
        load_cases(tmp_path)


def test_the_largest_memory(tmp_path: Path) -> None:
    case = one(tmp_path, ASM + f"-- mem\n{'00' * 0x7FF0}\n-- result\n1\n")
    stored = case.spec(store_result=True).programs[NAME].insns[2]
    assert stored.off == 0x7FF0
