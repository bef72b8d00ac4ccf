"""Data files of verdicts: a program, and what the kernel's verifier says to it. The model and the kernel both run them.

    # Comments begin with "# ".
    -- case a packet byte needs a check
    -- type                         the program's type; socket_filter without it
    xdp
    -- maps                         NAME TYPE KEY-SIZE VALUE-SIZE ENTRIES FLAG …, a line each
    hits hash 4 8 16
    -- asm                          in the syntax of bpfvm.isa.asm; or code: bytes in hex
    r2 = *(u32 *)(r1 +0)
    r0 = *(u8 *)(r2 +14)
    exit
    -- reject 1                     the instruction that is blamed, none where the whole program is; the lines are the
    invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0)              kernel's words, all of them
    R2 offset is outside of the packet
    -- twin                         one line of asm, and the line that makes the program good, or nothing for none
    r0 = *(u8 *)(r2 +14) => r0 = 2

`-- accept` in place of `reject` and `twin`: the kernel takes it. Optional: attach (an attach type), target (what BTF
tells), license, flags
(of BPF_PROG_LOAD: strict, sleepable), and what BTF tells:

    -- functions                    the program and its functions in the order of their places, a line each: name,
    p global int ctx                linkage, what it returns (int, void), what it takes: int, ctx, void* or mem and
    f static int int mem8           a number of bytes
    -- types                        structures: name, size, members; what stands behind = is the structure and the node
    foo 64 a@0:u64 n@16:bpf_rb_node in it that a head or root holds. The n-th is type n + 2
    map m l@0:bpf_spin_lock r@8:bpf_rb_root=foo.n     the values of a map
    -- locks                        NAME OFFSET: where in the map's values a bpf_spin_lock stands, the values being
    m 8                             structures then
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import encode
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from bpfvm.testing.datafile import helper_number, read_maps
from bpfvm.testing.kernel_types import kernel_types
from bpfvm.testing.sections import Section, Sections, read_sections
from bpfvm.testing.verdict_types import VerdictTypes
from bpfvm.verifier.paths.walk import Setting, Traced
from bpfvm.verifier.program.code import Code
from bpfvm.verifier.program.object import functions_of, maps_of
from bpfvm.verifier.program.raw import read
from bpfvm.verifier.report.verdict import Verdict, check
from bpfvm.verifier.structures.traced import iterator, member_of, tracepoint

SECTIONS: Mapping[str, str | None] = {
    "case": "a name",
    "type": None,
    "attach": None,
    "target": None,
    "license": None,
    "flags": None,
    "maps": None,
    "types": None,
    "functions": None,
    "locks": None,
    "asm": None,
    "code": None,
    "accept": None,
    "reject": "an instruction or none",
    "twin": None,
}
FLAGS: Mapping[str, int] = {"strict": 1 << 0, "sleepable": 1 << 4}  # BPF_F_STRICT_ALIGNMENT, BPF_F_SLEEPABLE
PROGRAM = "p"  # its name, where no function gives it another
_BECOMES = "=>"


@dataclass(frozen=True, slots=True)
class VerdictCase:
    """One program. words: of the refusal, one line each; () for a program that is taken. insn: that is blamed.

    target: the tracepoint, iterator, or member of a table (tcp_congestion_ops.init) that the program is loaded for.
    symbols: slot -> name of the map or kernel function that the instruction there refers to; `code` has 0 in its place.
    btf: of the functions, the program itself being the first, and of the maps' values; None where neither is told.
    """

    name: str
    type: str
    code: bytes
    symbols: Mapping[int, str]
    place: Location
    words: tuple[str, ...] = ()
    insn: int | None = None
    maps: tuple[MapSpec, ...] = ()
    attach_type: str | None = None
    license: str = "GPL"
    flags: int = 0
    btf: Btf | None = None
    functions: tuple[FunctionSpec, ...] = ()
    target: str = ""

    @property
    def accepted(self) -> bool:
        return not self.words


def load_verdicts(folder: str | Path) -> list[VerdictCase]:
    """The cases of every *.data file of the folder, each followed by its twin. LoadError with file and line."""
    cases = [case for path in sorted(Path(folder).glob("*.data")) for case in read_verdicts(path)]
    if not cases:
        raise LoadError(f"{folder}: there are no data files (*.data)")
    return cases


def read_verdicts(path: str | Path) -> list[VerdictCase]:
    """The cases of one file, each followed by its twin."""
    found: dict[str, VerdictCase] = {}
    for sections in read_sections(path, SECTIONS):
        for case in _cases(sections, Path(path).stem):
            if case.name in found:
                raise LoadError(f"{case.place}: there is another case {case.name!r}")
            found[case.name] = case
    return list(found.values())


def _cases(raw: Sections, stem: str) -> Iterator[VerdictCase]:
    place = next(iter(raw.values())).place
    if "case" not in raw:
        raise LoadError(f"{place}: a verdict needs a name (-- case NAME)")
    for one, other in (("asm", "code"), ("accept", "reject")):
        if (one in raw) == (other in raw):
            raise LoadError(f"{place}: a verdict has one of the sections {one} and {other}")
    kind = raw["type"].one()[1] if "type" in raw else "socket_filter"
    if kind not in PROGRAM_TYPES:
        raise LoadError(f"{place}: there is no program type {kind!r}")
    case = VerdictCase(
        f"{stem}: {raw['case'].argument}", kind, b"", {}, place, maps=read_maps(raw["maps"]) if "maps" in raw else (),
        attach_type=raw["attach"].one()[1] if "attach" in raw else None,
        license=raw["license"].one()[1] if "license" in raw else "GPL", flags=_flags(raw),
        target=raw["target"].one()[1] if "target" in raw else "",
    )  # fmt: skip
    case = _with_types(case, raw)
    words, insn = _refusal(raw)
    yield replace(_with_code(case, raw, None), words=words, insn=insn)
    if "twin" in raw:
        yield replace(_with_code(case, raw, raw["twin"]), name=f"{case.name} (twin)")


def _with_types(case: VerdictCase, raw: Sections) -> VerdictCase:
    """With the types of sections types, functions and locks."""
    if not raw.keys() & {"types", "functions", "locks"}:
        return case
    types = VerdictTypes(PROGRAM_TYPES[case.type].context)
    maps = {one.name: one for one in case.maps}
    if "types" in raw:
        types.structures(list(raw["types"].words()), maps)
    for place, words in raw["functions"].words() if "functions" in raw else ():
        types.function(place, words)
    for place, words in raw["locks"].words() if "locks" in raw else ():
        name, _, offset = words.partition(" ")
        if name not in maps or not offset.strip().isdigit():
            raise LoadError(f"{place}: met {words!r} where a map and an offset are wanted")
        maps[name] = types.locked(maps[name], int(offset))
    return replace(case, btf=types.btf, maps=tuple(maps.values()))


def _flags(raw: Sections) -> int:
    bits = 0
    for place, words in raw["flags"].words() if "flags" in raw else ():
        for word in words.split():
            if word not in FLAGS:
                raise LoadError(f"{place}: there is no flag {word!r}; flags are {', '.join(FLAGS)}")
            bits |= FLAGS[word]
    return bits


def _refusal(raw: Sections) -> tuple[tuple[str, ...], int | None]:
    if "accept" in raw:
        return (), None
    section = raw["reject"]
    words = tuple(words for _, words in section.words())
    blamed = section.argument
    if not words or not (blamed == "none" or blamed.isdigit()):
        raise LoadError(f"{section.place}: wanted are the instruction that is blamed, or none, and the kernel's words")
    return words, None if blamed == "none" else int(blamed)


def _with_code(case: VerdictCase, raw: Sections, twin: Section | None) -> VerdictCase:
    if "code" in raw:
        code = raw["code"].bytes() if twin is None else _twin_code(raw["code"], twin)
        return replace(case, code=code)
    section = raw["asm"]
    lines = section.lines if twin is None else _twin_lines(section, twin)
    insns = assemble("\n".join(lines), helper=helper_number, file=section.place.file, first_line=section.place.line + 1)
    symbols, slot = {}, 0
    for one in insns:
        if one.symbol is not None:
            symbols[slot] = one.symbol
        slot += one.width
    return _with_functions(replace(case, code=encode(insns), symbols=symbols), raw)


def _with_functions(case: VerdictCase, raw: Sections) -> VerdictCase:
    """With the places of the functions that section functions tells."""
    if "functions" not in raw:
        return case
    names = [words.split()[:2] for _, words in raw["functions"].words()]
    starts = Code(read(case.code, case.symbols).insns, {}).starts
    if len(starts) != len(names):
        raise LoadError(f"{raw['functions'].place}: {len(names)} functions are told, and the program has {len(starts)}")
    found = zip(names, starts, strict=True)
    return replace(case, functions=tuple(FunctionSpec(name, at, kind == "static") for (name, kind), at in found))


def _twin_lines(section: Section, twin: Section) -> list[str]:
    place, words = twin.one()
    old, becomes, new = (part.strip() for part in words.partition(_BECOMES))
    at = [number for number, line in enumerate(section.lines) if line.split("#")[0].strip() == old]
    if not becomes or len(at) != 1:
        raise LoadError(f"{place}: wanted is a line of asm that is there once, {_BECOMES}, and what it becomes")
    return [*section.lines[: at[0]], new, *section.lines[at[0] + 1 :]]


def _twin_code(section: Section, twin: Section) -> bytes:
    place, words = twin.one()
    old, becomes, new = (part.strip() for part in words.partition(_BECOMES))
    code = section.bytes().hex()
    wanted = old.replace(" ", "")
    if not becomes or code.count(wanted) != 1:
        raise LoadError(f"{place}: wanted are bytes of code that are there once, {_BECOMES}, and what they become")
    return bytes.fromhex(code.replace(wanted, new.replace(" ", "")))


def judged(case: VerdictCase, level: int = 0) -> Verdict:
    """What the model says of a case. level: of its log."""
    raw, spec = read(case.code, case.symbols), spec_of(case)
    setting = Setting(
        PROGRAM_TYPES[case.type], case.attach_type, maps_of(spec, spec.programs[PROGRAM]),
        gpl="GPL" in case.license, strict=bool(case.flags & FLAGS["strict"]),
        sleepable=bool(case.flags & FLAGS["sleepable"]) or PROGRAM_TYPES[case.type].sleepable, btf=case.btf,
        types=kernel_types(), traced=_traced(case),
    )  # fmt: skip
    functions = functions_of(spec, spec.programs[PROGRAM], setting.row) if case.functions else {}
    return check(raw.insns, setting, level=level, raw=raw, functions=functions)


def _traced(case: VerdictCase) -> Traced | None:
    """What the program is loaded for, by the kernel's types that all builds have."""
    if not case.target:
        return None
    table, _, member = case.target.partition(".")
    if member:
        found = member_of(kernel_types(), table, member)
    else:
        found = (iterator if case.attach_type == "trace_iter" else tracepoint)(case.target, kernel_types())
    if isinstance(found, str):
        raise LoadError(f"{case.place}: {found}")
    return found


def spec_of(case: VerdictCase) -> ObjectSpec:
    """The case as an object of one program, of the name PROGRAM or that of its first function."""
    insns = tuple(read(case.code, case.symbols).insns)
    program = ProgramSpec(
        case.functions[0].name if case.functions else PROGRAM, case.type, case.type, insns, functions=case.functions[1:]
    )
    return ObjectSpec({PROGRAM: program}, {one.name: one for one in case.maps}, case.btf, license=case.license)
