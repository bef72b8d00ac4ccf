"""Generated objects: programs over all of the instruction table, functions that call one another, typed maps."""

from __future__ import annotations

from hypothesis import strategies as st

from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import BY_NAME, OPS, Kind
from bpfvm.obj.btf import Btf
from bpfvm.obj.model import FaultSite, FunctionSpec, MapSpec, ObjectSpec, ProgramSpec

REFERENCES = frozenset(one.name for one in OPS if one.kind is Kind.IMM64 and one.name != "lddw")
LINKED = REFERENCES | {"call_local", "call_kfunc"}  # rows whose operands a linker makes
PLAIN = tuple(one for one in OPS if one.name not in LINKED)
EXIT = Insn(BY_NAME["exit"])

names = st.from_regex(r"[a-z_][a-z0-9_.]{0,14}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
registers = st.integers(0, 10)


@st.composite
def instructions(draw: st.DrawFn) -> Insn:
    """Any row that means something by itself, with any operands that fit."""
    op = draw(st.sampled_from(PLAIN))
    wide = op.kind is Kind.IMM64
    dst = draw(registers) if "dst" in op.uses else 0
    src = op.src_is or (draw(registers) if "src" in op.uses else 0)
    off = op.off_is or (draw(st.integers(-(1 << 15), (1 << 15) - 1)) if "off" in op.uses else 0)
    immediates = st.integers(0, (1 << 64) - 1) if wide else st.integers(-(1 << 31), (1 << 31) - 1)
    imm = op.imm_is or (draw(immediates) if "imm" in op.uses else 0)
    return Insn(op, dst, src, off, imm)


@st.composite
def btfs(draw: st.DrawFn) -> Btf:
    """Types as a compiler makes them."""
    btf = Btf()
    word = btf.add_int("unsigned int", 4)
    known = [word, btf.add_int("unsigned long long", 8), btf.add_int("char", 1, is_signed=True, is_char=True)]
    for number in range(draw(st.integers(0, 5))):
        known.append(_add_type(btf, draw(st.sampled_from(TYPE_KINDS)), draw(st.sampled_from(known)), number))
    return btf


TYPE_KINDS = ("array", "typedef", "struct", "union", "enum", "const", "float")


def _add_type(btf: Btf, kind: str, inner: int, number: int) -> int:
    size = btf.size_of(inner)
    match kind:
        case "array":
            return btf.add_array(inner, 3)
        case "typedef":
            return btf.add_typedef(f"type{number}", inner)
        case "struct":
            return btf.add_struct(f"record{number}", 2 * size, [("a", inner, 0), ("b", inner, size)])
        case "union":
            return btf.add_union("", size, [("a", inner, 0), ("b", inner, 0)])
        case "enum":
            return btf.add_enum(f"kind{number}", 4, [("ONE", 1), ("LESS", -number)])
        case "const":
            return btf.add_const(inner)
        case _:
            return btf.add_float("double", 8)


@st.composite
def maps(draw: st.DrawFn, name: str, btf: Btf | None) -> MapSpec:
    sized = [number for number in range(1, len(btf or ()) + 1)]
    key, value = (draw(st.sampled_from([0, *sized])) for _ in range(2))
    numbers = st.integers(0, (1 << 32) - 1)
    return MapSpec(
        name=name,
        type="array",
        key_size=btf.size_of(key) if btf and key else draw(st.integers(0, 64)),
        value_size=btf.size_of(value) if btf and value else draw(st.integers(0, 4096)),
        max_entries=draw(numbers),
        flags=draw(numbers),
        key_type=key,
        value_type=value,
        hidden=draw(st.booleans()),
    )


@st.composite
def functions(draw: st.DrawFn, map_names: list[str], callees: int) -> list[list[Insn]]:
    """The code of an entry and of `callees` functions behind it, calls not filled in; each is called by the entry."""
    code: list[list[Insn]] = [draw(st.lists(instructions(), max_size=6)) for _ in range(callees + 1)]
    for body in code:
        if draw(st.booleans()) and map_names:
            body.append(Insn(BY_NAME["lddw_map"], 1, 1, symbol=draw(st.sampled_from(map_names))))
    for number in range(1, callees + 1):
        code[0].append(Insn(BY_NAME["call_local"], 0, 1, symbol=str(number)))
        if draw(st.booleans()):
            code[number].append(Insn(BY_NAME["call_local"], 0, 1, symbol=str(draw(st.integers(1, number)))))
    return [[*body, EXIT] for body in code]


@st.composite
def programs(draw: st.DrawFn, name: str, map_names: list[str]) -> ProgramSpec:
    callees: int = draw(st.integers(0, 2))
    code = draw(functions(map_names, callees))
    starts = [0]
    for body in code:
        starts.append(starts[-1] + slots(body)[-1])
    insns: list[Insn] = []
    for body, start in zip(code, starts, strict=False):
        for one, slot in zip(body, slots(body), strict=False):
            if one.op.name == "call_local":
                number = int(one.symbol or "")
                imm = starts[number] - (start + slot + 1)
                insns.append(Insn(one.op, 0, 1, 0, imm, f"{name}_{number}"))
            else:
                insns.append(one)
    places = st.builds(Location, st.sampled_from(["a.py", "dir/b.c"]), st.integers(0, 99), st.integers(0, 1023))
    lines = {slot: draw(places) for slot in slots(insns)[:-1] if draw(st.booleans())}
    section = draw(st.sampled_from(["xdp", "xdp/other", "syscall"]))
    return ProgramSpec(
        name=name,
        section=section,
        type=section.partition("/")[0],
        insns=tuple(insns),
        lines=lines,
        fault_sites=tuple(draw(st.lists(st.builds(FaultSite, texts, texts, places), max_size=2))),
        stack=draw(st.integers(0, 512)),
        functions=tuple(
            FunctionSpec(f"{name}_{number}", start, True) for number, start in enumerate(starts[1:-1], 1)
        ),
    )  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> ObjectSpec:
    btf = draw(st.none() | btfs())
    map_names = draw(st.lists(names.map(lambda name: f"m{name}"), max_size=3, unique=True))
    program_names = draw(st.lists(names.map(lambda name: f"p{name}"), max_size=3, unique=True))
    found = {name: draw(programs(name, map_names)) for name in program_names}
    places = {(place.file, place.line) for one in found.values() for place in one.lines.values()}
    return ObjectSpec(
        programs=found,
        maps={name: draw(maps(name, btf)) for name in map_names},
        btf=btf,
        license=draw(texts),
        endian=draw(st.sampled_from(["little", "big"])),
        sources={place: text for place in sorted(places) if (text := draw(texts))},
    )
