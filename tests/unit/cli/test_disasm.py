"""`bpfvm disasm`: what it names, its JSON, whatever file it is given; and llvm-objdump's text of the same objects."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from random import Random

import pytest

from bpfvm.cli import status
from bpfvm.core.errors import LoadError
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import decode
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from tests.unit.isa import encodings
from tests.unit.isa.llvm_text import NOT_IN_LLVM, as_llvm

ROOT = Path(__file__).resolve().parents[3]
OBJECTS = ROOT / "tests/objects"
Captured = pytest.CaptureFixture[str]


def shown(capsys: Captured, *arguments: str) -> str:
    """What the command prints, when it does its work without a word on stderr."""
    assert status(["disasm", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def document(capsys: Captured, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(shown(capsys, *arguments, "--json"))
    return found


def named(name: str) -> str:
    return str(OBJECTS / f"{name}.o")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("xdp_count", ["count:  ; xdp, section xdp, ", "= map[hits]", "call bpf_map_lookup_elem#1", "./xdp_count.c:"]),
        ("linked", ["\nhelper:\n", "\nhelper.41:\n", "call helper\n", "call helper.41\n"]),
        ("xdp_calls", ["call add\n", "\nadd:\n", "\nL1:\n", "goto L1\n"]),
        ("calls_callbacks", ["= func "]),
        ("data_mixed", ["= map[.rodata]+0 ; step\n", "= map[.rodata.cst16]+0 ; names\n"]),
        ("extern_kconfig_big", ["= map[.kconfig]+8 ; CONFIG_VETH\n"]),
        ("extern_kfuncs", ["call kfunc["]),
        ("extern_ksyms", ["= ksym[bpf_prog_active]@0\n", "= 0x0 ll ; address of init_task\n"]),
        ("core_fields", ["= 32 ; CO-RE field_byte_offset struct record.inner[2].zone[1]\n"]),
        ("core_enums", ["; CO-RE enumval_value "]),
        ("core_types", ["; CO-RE type_"]),
        ("insns_packet", ["= *(u8 *)skb["]),
        ("insns_callx", ["callx r"]),
        ("insns_arena", [" = addr_space_cast(r"]),
        ("maps_iproute2", ["; unspec, section "]),
    ],
)  # fmt: skip
def test_what_is_named(name: str, lines: list[str], capsys: Captured) -> None:
    text = shown(capsys, named(name))
    assert [line for line in lines if line not in text] == []


def test_one_program_by_function_or_section(capsys: Captured) -> None:
    whole = shown(capsys, named("xdp_two"))
    heads = re.findall(r"^(\w+):  ; xdp, section (\S+), \d+ slots$", whole, re.MULTILINE)
    assert len(heads) == 3
    for name, section in heads:
        part = shown(capsys, named("xdp_two"), "--program", name)
        assert part.startswith(f"{name}:  ; xdp, section {section}, ")
        assert part.rstrip("\n") in whole
    assert status(["disasm", named("xdp_two"), "--program", "nothing"]) == 2
    assert "has no program 'nothing'; it has " in capsys.readouterr().err


def test_a_python_file_with_its_lines(capsys: Captured) -> None:
    text = shown(capsys, str(ROOT / "examples/proto.py"))
    assert re.search(r"^; hits\[.*proto\.py:\d+$", text, re.MULTILINE)
    assert "map[hits]" in text
    assert shown(capsys, str(ROOT / "examples/proto.py:proto")) == text


def test_raw_bytes_are_the_objects_own(capsys: Captured) -> None:
    for name in ("xdp_actions", "xdp_actions_big"):
        text = shown(capsys, named(name), "--raw")
        code = "".join(re.findall(r"^ *\d+: ((?:[0-9a-f]{2} ?){8})", text, re.MULTILINE))
        spec = read_object(named(name))
        (program,) = spec.programs.values()
        assert decode(bytes.fromhex(code), spec.endian) == list(program.insns)


def test_the_text_is_assembled_again(capsys: Captured) -> None:
    """Of programs whose functions are called by label and whose references have no number."""
    count = 0
    for path in sorted(OBJECTS.glob("*.o")):
        for program in read_object(path).programs.values():
            if any(one.op.name == "lddw" and one.symbol for one in program.insns):
                continue  # the address of a typeless symbol is printed as the number it is: 0
            text = shown(capsys, str(path), "--program", program.name)
            read = assemble(text)
            assert read == list(program.insns), path.name
            count += len(read)
    print(f"{count} instructions")
    assert count > 1000


def test_json_tells_of_every_instruction(capsys: Captured) -> None:
    found = document(capsys, named("core_access"))
    assert list(found) == ["target", "skipped", "programs"]
    spec = read_object(named("core_access"))
    programs = found["programs"]
    assert isinstance(programs, list)
    assert [one["name"] for one in programs] == list(spec.programs)
    for one in programs:
        program = spec.programs[one["name"]]
        assert list(one) == ["name", "section", "type", "slots", "functions", "insns"]
        assert (one["section"], one["type"], one["slots"]) == (program.section, program.type, program.slot_count)
        assert [each["slot"] for each in one["insns"]] == slots(program.insns)[:-1]
        assert decode(bytes.fromhex("".join(each["bytes"] for each in one["insns"]))) == list(program.insns)
        assert [each["op"] for each in one["insns"]] == [each.op.name for each in program.insns]
        asked = [(each["slot"], core["kind"], core["access"]) for each in one["insns"] for core in each.get("core", ())]
        assert asked == [(core.slot, core.kind, core.access) for core in program.core]
        assert all(set(each["source"]) == {"file", "line", "text"} for each in one["insns"])


def test_json_names_symbols_variables_and_targets(capsys: Captured) -> None:
    programs = document(capsys, named("data_mixed"))["programs"]
    assert isinstance(programs, list)
    program = programs[0]
    assert program["functions"][1] == {"name": "note", "slot": 15, "static": True}
    rows = {row["slot"]: row for row in program["insns"]}
    assert {name: rows[4][name] for name in ("text", "target", "symbol")} == {
        "text": "call note", "target": 15, "symbol": "note",
    }  # fmt: skip
    assert (rows[7]["symbol"], rows[7]["variable"]) == (".rodata.cst16", "names")


@pytest.mark.parametrize("name", ["data_pointers"])
def test_skipped_parts_are_told_of(name: str, capsys: Captured) -> None:
    path = str(OBJECTS / "refused" / f"{name}.o")
    assert status(["disasm", path, "--json"]) == 0
    out, err = capsys.readouterr()
    skipped = json.loads(out)["skipped"]
    assert skipped
    assert err.splitlines() == [f"bpfvm: {path}: {reason}" for reason in skipped]


def test_what_cannot_be_read_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    whole = Path(named("xdp_calls")).read_bytes()
    (tmp_path / "cut.o").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.o").write_text("no object\n")
    (tmp_path / "empty.o").write_bytes(b"")
    for name in ("cut.o", "text.o", "empty.o", "absent.o"):
        assert status(["disasm", str(tmp_path / name)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert (err.startswith("bpfvm: "), err.count("\n")) == (True, 1), err


def test_a_damaged_object_is_shown_or_refused(tmp_path: Path, capsys: Captured) -> None:
    random, path = Random(7), tmp_path / "damaged.o"
    whole = [one.read_bytes() for one in sorted(OBJECTS.glob("*.o"))]
    codes = []
    for _ in range(300):
        data = bytearray(random.choice(whole))
        for _ in range(random.choice((1, 2, 8))):
            data[random.randrange(len(data))] = random.choice((0, 1, 0x80, 0xFF, random.randrange(256)))
        path.write_bytes(data)
        codes.append(status(["disasm", str(path), *random.choice(([], ["--raw"], ["--json"]))]))
        out, err = capsys.readouterr()
        assert all(line.startswith("bpfvm: ") for line in err.splitlines())
        assert (codes[-1], bool(out)) in ((0, True), (2, False)), err
    print(f"{len(codes)} objects, {codes.count(0)} of them shown")
    assert 30 < codes.count(0) < 270


def test_names_do_not_reach_the_terminal_as_they_are(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from bpfvm.program import Object

    insns = tuple(assemble("call f\nexit\nf: r0 = 0\nexit"))
    one = ProgramSpec("a\x1b[2J", "x\nd\tp", "xdp", insns, functions=(FunctionSpec("b\n\x07", 2, is_static=True),))
    monkeypatch.setattr("bpfvm.cli.target.load", lambda path: Object(ObjectSpec({one.name: one}, {})))
    text = shown(capsys, "any.o")
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "a\N{REPLACEMENT CHARACTER}[2J:  ; xdp" in text


def described(path: Path, objdump: str) -> tuple[dict[str, list[tuple[str, int]]], dict[tuple[str, int], str]]:
    """Where llvm-objdump finds the functions of a file, by name; and its text of each slot of each section."""
    command = [objdump, "-d", "--no-show-raw-insn", "--show-all-symbols", "--mcpu=v4", str(path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    functions: dict[str, list[tuple[str, int]]] = {}
    lines: dict[tuple[str, int], str] = {}
    section = ""
    for line in printed.splitlines():
        if found := re.fullmatch(r"Disassembly of section (.*):", line):
            section = found[1]
        elif found := re.fullmatch(r"([0-9a-f]{16}) <(.*)>:", line):
            functions.setdefault(found[2], []).append((section, int(found[1], 16) // 8))
        elif found := re.fullmatch(r" *(\d+):\t(.*)", line):
            lines[section, int(found[1])] = re.sub(r" <[^<>]*>$", "", found[2]).replace("\t", " ")
    return functions, lines


def same(one: Insn, theirs: str) -> bool:
    """Whether llvm-objdump's text means our instruction, whose reference it has not filled in."""
    if one.symbol is None:
        return as_llvm(one) == theirs
    if one.op.kind is Kind.IMM64:
        return re.fullmatch(rf"r{one.dst} = -?0x[0-9a-f]+ ll", theirs) is not None
    return one.op.kind is Kind.CALL and re.fullmatch(r"call -?0x[0-9a-f]+", theirs) is not None


def bodies(program: ProgramSpec) -> list[tuple[str, list[tuple[int, Insn]]]]:
    """Each function's name with its instructions by slot."""
    functions = (FunctionSpec(program.name, 0), *program.functions)
    ends = [*(one.slot for one in functions[1:]), program.slot_count]
    at = list(zip(slots(program.insns), program.insns, strict=False))
    return [
        (one.name, [(slot - one.slot, insn) for slot, insn in at if one.slot <= slot < end])
        for one, end in zip(functions, ends, strict=True)
    ]


def test_llvm_objdump_prints_the_same_of_every_object() -> None:
    objdump = encodings.tool("llvm-objdump")
    if objdump is None:
        pytest.skip("llvm-objdump-19 is not installed")
    compared = bound = unknown = objects = 0
    wrong: list[str] = []
    for path in sorted(OBJECTS.rglob("*.o")):
        try:
            spec = read_object(path)
        except LoadError as error:
            print(f"not compared: {error}")
            continue
        functions, lines = described(path, objdump)
        objects += 1
        for program in spec.programs.values():
            for name, insns in bodies(program):
                tries = [
                    [(one, lines.get((section, start + slot), "nothing")) for slot, one in insns]
                    for section, start in functions[name]
                ]
                pairs = min(tries, key=lambda pairs: sum(not same(*pair) for pair in pairs))
                for one, theirs in pairs:
                    unknown += one.op in NOT_IN_LLVM and one.symbol is None
                    bound += one.symbol is not None
                    compared += 1
                    if not same(one, theirs) and not (one.op in NOT_IN_LLVM and one.symbol is None):
                        wrong.append(f"{path.name}: {name}: {one.op.name}: {as_llvm(one)!r} is {theirs!r}")
    print(f"{compared} instructions of {objects} objects, {bound} of them with references, {unknown} not in LLVM 19")
    assert wrong == []
    assert objects >= 80
    assert compared >= 3000
