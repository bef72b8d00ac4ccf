"""The reader of data files: what it reads, what it refuses, and that its comparison notices what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.bits import M64
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Fault, Input, Result
from bpfvm.isa.disasm import text
from bpfvm.obj.model import MapSpec
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.testing.datafile import NAME, UNSTORED, Case, choices, load_cases, read_cases


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


def test_registers_make_a_case_of_each_choice(tmp_path: Path) -> None:
    words = "-- asm\nwa += rb\nr0 = ra\nexit\n-- registers ra rb\n-- rows ra rb\n1 2 -> 3\n4 5 -> 9\n"
    found = cases(tmp_path, words.replace("wa +=", "ra +="))
    assert len(found) == 90
    assert [one.result for one in found[:3]] == [3, 9, 3]
    assert found[1].name == "some [ra=r0 rb=r2]: ra=4 rb=5"
    assert [text(insn) for insn in found[1].insns] == [
        "r0 = *(u64 *)(r1 +0)", "r2 = *(u64 *)(r1 +8)", "r0 += r2", "r0 = r0", "exit",
    ]  # fmt: skip
    assert found[0].mem == (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    few = cases(tmp_path, "-- asm\nwa = w3\nr0 = ra\nexit\n-- registers ra\n-- rows r3\n" + "7 -> 7\n")
    assert [text(one.insns[1]) for one in few] == [f"w{number} = w3" for number in range(10) if number != 3]
    many = cases(
        tmp_path, "-- asm\nr0 = ra\nexit\n-- registers ra\n-- rows ra\n" + "".join(f"{n} -> {n}\n" for n in range(25))
    )
    assert [one.result for one in many] == list(range(25))
    assert text(many[13].insns[0]) == "r3 = *(u64 *)(r1 +0)"


def test_choices_of_three_bring_every_two_together() -> None:
    wanted = {(a, b) for a in range(10) for b in range(10) if a != b}
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert {(choice[one], choice[other]) for choice in choices(3)} == wanted
    assert all(len(set(choice)) == 3 for choice in choices(3))
    assert 90 <= len(choices(3)) <= 150
    assert [len(choices(names)) for names in (1, 2)] == [10, 90]
    assert all(5 not in choice for choice in choices(3, frozenset({5})))


def test_code_and_maps_and_what_is_counted(tmp_path: Path) -> None:
    case = one(
        tmp_path, "-- code\nb7 00 00 00 01 00 00 00 95 00\n00 00 00 00 00 00\n-- plain\n-- insns\n2\n-- result\n1\n"
    )
    assert [text(insn) for insn in case.spec().programs[NAME].insns] == ["r0 = 1", "exit"]
    assert case.spec(store_result=True) == case.spec()
    assert case.check(Result(r0=1, insns=2)) == case.check(Result(r0=1)) == []
    assert case.check(Result(r0=1, insns=3)) == [f"{case.place}: 3 instructions were executed, and must be 2"]
    case = one(
        tmp_path,
        "-- maps\nm hash 4 8 16 no_prealloc\nn array 4 1 1\n-- budget\n7\n"
        "-- asm\nr1 = map[n]+0\nr0 = 1\nexit\n-- result\n1\n",
    )
    assert case.spec().maps == {"m": MapSpec("m", "hash", 4, 8, 16, 1), "n": MapSpec("n", "array", 4, 1, 1)}
    assert case.budget == 7


def test_code_that_is_no_program(tmp_path: Path) -> None:
    case = one(tmp_path, "-- code\nff 00 00 00 00 00 00 00\n-- refused\nopcode 0xff\n-- kernel\nunknown opcode ff\n")
    with pytest.raises(LoadError, match="unknown opcode 0xff"):
        case.spec()
    (unread,) = case.spec(unread=True).programs[NAME].insns
    assert (unread.op.code, unread.dst, unread.src, unread.off, unread.imm) == (0xFF, 0, 0, 0, 0)


def test_warnings_are_the_reference_tiers(tmp_path: Path) -> None:
    fault, words = Fault("uninitialised", "read of 8 bytes"), "-- asm\nexit\n-- result\n0\n"
    case = one(tmp_path, words)
    assert case.check(Result(warnings=(fault,))) == [f"{case.place}: it gave a warning, uninitialised: read of 8 bytes"]
    assert case.check(Result(), reference=True) == []
    case = one(tmp_path, words + "-- warning\nuninitialised: 8 bytes\n")
    assert case.check(Result(warnings=(fault,)), reference=True) == case.check(Result()) == []
    assert case.check(Result(), reference=True) == [
        f"{case.place}: its warnings are none, and must be one, uninitialised: 8 bytes"
    ]
    assert len(case.check(Result(warnings=(fault, fault)))) == 1
    assert len(case.check(Result(warnings=(Fault("other", "8 bytes"),)))) == 1


ASM = "-- asm\nexit\n"
CODE = "-- code\n95 00 00 00 00 00 00 00\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "FILE: there is no section, so no case"),
        ("# nothing\n", "FILE: there is no section, so no case"),
        ("exit\n", "FILE:1: met 'exit' where a comment or a section (-- asm) is wanted"),
        (
            "-- insn\n",
            "FILE:1: there is no section 'insn'; sections are case, asm, code, type, mem, maps, registers, plain, "
            "budget, result, rows, fault, refused, mem-after, warning, insns, kernel",
        ),
        ("-- asm x\nexit\n", "FILE:1: met 'x' where `-- asm` wants nothing behind it"),
        ("-- case\n", "FILE:1: met '' where `-- case` wants a name behind it"),
        ("-- rows\n", "FILE:1: met '' where `-- rows` wants names of registers behind it"),
        (ASM + ASM, "FILE:3: section 'asm' is there twice; `-- case NAME` begins another case"),
        ("-- case a\nr0 = 1\n", "FILE:1: met text where `-- case` wants a section behind it"),
        ("-- case a\n-- result\n1\n", "FILE:1: case 'some: a' has neither section asm nor code, and must have one"),
        (ASM + CODE + "-- result\n1\n", "FILE:1: case 'some' has both sections asm and code, and must have one"),
        ("-- code\n95\n-- result\n1\n", "FILE:1: 1 byte of code, and a program is whole slots of 8 bytes"),
        (CODE + "-- rows r0\n1 -> 1\n", "FILE:3: rows change the instructions of asm, and this case has code"),
        (
            CODE + "-- registers ra\n-- result\n1\n",
            "FILE:3: registers change the instructions of asm, and this case has code",
        ),
        (
            ASM + "-- registers rd\n-- result\n1\n",
            "FILE:3: met 'rd' where names ra, rb, rc are wanted",
        ),
        (
            ASM + "-- registers ra ra\n-- result\n1\n",
            "FILE:3: met 'ra ra' where names ra, rb, rc are wanted",
        ),
        (
            ASM + "-- registers ra\nr1\n-- result\n1\n",
            "FILE:3: met text where `-- registers` wants a section behind it",
        ),
        (
            ASM + "-- registers ra rb\n-- rows r0 r1 r2 r3 r4 r5 r6 r7 r8\n1 2 3 4 5 6 7 8 9 -> 1\n",
            "FILE:3: 9 registers are taken, and 2 are wanted",
        ),
        (ASM + "-- plain\n1\n-- result\n1\n", "FILE:3: met text where `-- plain` wants a section behind it"),
        (
            ASM + "-- maps\nm array 4 8\n-- result\n1\n",
            "FILE:4: met 'm array 4 8' where a map is wanted: its name, type, key size, value size, entries and flags",
        ),
        (
            ASM + "-- maps\nm arra 4 8 1\n-- result\n1\n",
            "FILE:4: met 'm arra 4 8 1' where a map is wanted: its name, type, key size, value size, entries and flags",
        ),
        (
            ASM + "-- maps\nm array 4 8 1\nm array 4 8 2\n-- result\n1\n",
            "FILE:5: the map m is there twice",
        ),
        (
            ASM + "-- budget\nmuch\n-- result\n1\n",
            "FILE:4: met 'much' where a 64-bit number, decimal or hex, is wanted",
        ),
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
            "FILE:2: there is no map 'm' in section maps, which has none",
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
        (ASM + "-- mem-after\n00\n-- result\n1\n", "FILE:1: mem-after has 1 byte, and mem has 0"),
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
