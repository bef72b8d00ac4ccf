"""Generated objects: programs over all of the instruction table, functions that call one another, every kind of map."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from bpfvm.core.bits import M32
from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import BY_NAME, OPS, Kind
from bpfvm.obj.btf.ext import CORE_KINDS
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, STATIC, SecVar
from bpfvm.obj.elf.datasec import KCONFIG, data_map, kind_of
from bpfvm.obj.elf.externs import laid_out
from bpfvm.obj.model import CoreReloc, ExternSpec, FaultSite, FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import FLAGS

REFERENCES = frozenset(one.name for one in OPS if one.kind is Kind.IMM64 and one.name != "lddw")
FUNCTIONS = ("call_local", "lddw_func")
LINKED = REFERENCES | {"call_local", "call_kfunc"}  # rows whose operands a linker makes
PLAIN = tuple(one for one in OPS if one.name not in LINKED)
EXIT = Insn(BY_NAME["exit"])

names = st.from_regex(r"[a-z_][a-z0-9_.]{0,14}", fullmatch=True)
words = st.integers(0, M32)
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


# Maps

DATA = (".rodata", ".rodata.str1.1", ".data", ".data.mine", ".bss")
PLAIN_TYPES = ("array", "hash", "lru_hash", "percpu_array", "lpm_trie", "ringbuf", "bloom_filter", "task_storage")


@st.composite
def plain_maps(draw: st.DrawFn, name: str, btf: Btf | None, section: str = ".maps") -> MapSpec:
    """A map that holds values. btf: the types of its key and value, None where it has none."""
    sized = [number for number in range(1, len(btf or ()) + 1)]
    key, value = (draw(st.sampled_from([0, *sized])) for _ in range(2))
    is_legacy = section != ".maps"
    flags = draw(words)
    return MapSpec(
        name=name,
        type=draw(st.sampled_from(PLAIN_TYPES)),
        key_size=btf.size_of(key) if btf and key else draw(st.integers(0, 64)),
        value_size=btf.size_of(value) if btf and value else draw(st.integers(0, 4096)),
        max_entries=draw(words),
        flags=flags & ~FLAGS["numa_node"] if is_legacy else flags,
        key_type=key,
        value_type=value,
        hidden=draw(st.booleans()),
        extra=0 if is_legacy else draw(st.sampled_from([0, 3, M32, 1 << 44])),
        numa_node=0 if is_legacy else draw(st.sampled_from([0, 1])),
        pin=draw(st.sampled_from(["", "by_name"])),
        section=section,
    )


@st.composite
def outer_maps(draw: st.DrawFn, name: str, btf: Btf | None, inside: list[str]) -> MapSpec:
    """A map of maps, some of which stand in it at load."""
    inner = replace(draw(plain_maps(f"{name}.inner", btf)), pin="", hidden=False)
    indexes = draw(st.lists(st.integers(0, 20), max_size=3, unique=True))
    contents = tuple((index, draw(st.sampled_from(inside))) for index in sorted(indexes) if inside)
    kind = draw(st.sampled_from(["array_of_maps", "hash_of_maps"]))
    return MapSpec(name, kind, 4, 4, draw(words), inner=inner, contents=contents)


@st.composite
def data_maps(draw: st.DrawFn, section: str, btf: Btf | None) -> MapSpec:
    """A data section, with variables in BTF where there is one."""
    data = draw(st.binary(min_size=1, max_size=60))
    if btf is not None and draw(st.booleans()):
        kind = btf.add_int("unsigned char", 1)
        places = [
            SecVar(btf.add_var(f"{section[1:]}.v{at}", kind, draw(st.sampled_from([STATIC, GLOBAL]))), at, 1)
            for at in range(0, len(data), 5)
        ]
        btf.add_datasec(section, len(data), places)
    return data_map(section, bytes(len(data)) if kind_of(section) == ".bss" else data, btf)


@st.composite
def externs(draw: st.DrawFn, btf: Btf) -> dict[str, ExternSpec]:
    """Configuration values, kernel variables and kernel functions."""
    number, wide = btf.add_int("int", 4, is_signed=True), btf.add_int("unsigned long long", 8)
    text = btf.add_array(btf.add_int("char", 1, is_signed=True, is_char=True), 11)
    proto = btf.add_func_proto(number, [("what", wide)])
    rows = [
        ExternSpec("CONFIG_A", "kconfig", text, size=11),
        ExternSpec("CONFIG_B", "kconfig", wide, size=8),
        ExternSpec("CONFIG_C", "kconfig", number, size=4),
        ExternSpec("typed", "ksym", wide),
        ExternSpec("bare", "ksym", 0),
        ExternSpec("act", "kfunc", proto),
    ]
    chosen = [replace(one, weak=draw(st.booleans())) for one in rows if draw(st.integers(0, 3))]
    found = {one.name: one for one in chosen}
    return {**found, **laid_out(btf, found)}


# Code


@st.composite
def named(draw: st.DrawFn, maps: dict[str, MapSpec], externs: dict[str, ExternSpec]) -> list[Insn]:
    """An instruction for some of what there is to name."""
    found: list[Insn] = []
    for one in maps.values():
        if not draw(st.booleans()):
            continue
        if one.initial is None:
            found.append(Insn(BY_NAME["lddw_map"], 1, 1, symbol=one.name))
        elif one.name != KCONFIG:
            offset = draw(st.integers(0, len(one.initial) + 3))
            found.append(Insn(BY_NAME["lddw_map_value"], 2, 2, 0, offset << 32, one.name))
    ops = {"kfunc": "call_kfunc", "kconfig": "lddw_map_value"}
    for extern in externs.values():
        if draw(st.booleans()):
            continue
        op = BY_NAME[ops.get(extern.kind, "lddw_btf_id" if extern.type else "lddw")]
        symbol = KCONFIG if extern.kind == "kconfig" else extern.name
        imm = draw(st.integers(extern.offset, extern.offset + extern.size - 1)) << 32 if extern.size else 0
        found.append(Insn(op, 0 if op.name == "call_kfunc" else 3, op.src_is or 0, 0, imm, symbol))
    return found


@st.composite
def functions(
    draw: st.DrawFn, maps: dict[str, MapSpec], externs: dict[str, ExternSpec], callees: int
) -> list[list[Insn]]:
    """The code of an entry and of `callees` functions behind it, references to functions not filled in.

    The entry refers to each of them in order, and they to themselves and to those before them.
    """
    code: list[list[Insn]] = [draw(st.lists(instructions(), max_size=6)) for _ in range(callees + 1)]
    for body in code:
        body += draw(named(maps, externs))
    for number in range(1, callees + 1):
        code[0].append(Insn(BY_NAME[draw(st.sampled_from(FUNCTIONS))], 0, 1, symbol=str(number)))
        if draw(st.booleans()):
            op = BY_NAME[draw(st.sampled_from(FUNCTIONS))]
            code[number].append(Insn(op, 0, 1, symbol=str(draw(st.integers(1, number)))))
    return [[*body, EXIT] for body in code]


@st.composite
def programs(
    draw: st.DrawFn, name: str, section: str, maps: dict[str, MapSpec], externs: dict[str, ExternSpec], has_btf: bool
) -> ProgramSpec:
    callees: int = draw(st.integers(0, 2))
    code = draw(functions(maps, externs, callees))
    starts = [0]
    for body in code:
        starts.append(starts[-1] + slots(body)[-1])
    shared = draw(st.booleans())  # names that other programs' static functions have too
    called = [name, *(f"helper_{number}" if shared else f"{name}_{number}" for number in range(1, callees + 1))]
    insns: list[Insn] = []
    for body, start in zip(code, starts, strict=False):
        for one, slot in zip(body, slots(body), strict=False):
            if one.op.name in FUNCTIONS:
                number = int(one.symbol or "")
                imm = starts[number] - (start + slot + 1)
                is_call = one.op.name == "call_local"
                one = Insn(one.op, 0, one.op.src_is or 0, 0, imm if is_call else imm & M32, called[number])
            insns.append(one)
    at = slots(insns)[:-1]
    places = st.builds(Location, st.sampled_from(["a.py", "dir/b.c"]), st.integers(0, 99), st.integers(0, 1023))
    core = [
        CoreReloc(slot, draw(st.sampled_from(CORE_KINDS)), 1, draw(st.sampled_from(["0", "0:1:2"])))
        for slot in at
        if has_btf and draw(st.integers(0, 9)) == 0
    ]
    return ProgramSpec(
        name=name,
        section=section,
        type=TYPES[section],
        insns=tuple(insns),
        lines={slot: draw(places) for slot in at if draw(st.booleans())},
        fault_sites=tuple(draw(st.lists(st.builds(FaultSite, texts, texts, places), max_size=2))),
        stack=draw(st.integers(0, 512)),
        functions=tuple(FunctionSpec(called[number], starts[number], True) for number in range(1, callees + 1)),
        core=tuple(core),
    )


TYPES = {"xdp": "xdp", "xdp/other": "xdp", "syscall": "syscall", "tc": "sched_cls", "2/3": "unspec", "nobody": "unspec"}


@st.composite
def objects(draw: st.DrawFn) -> ObjectSpec:
    btf = draw(st.none() | btfs())
    plain = draw(st.lists(names.map(lambda name: f"m{name}"), max_size=3, unique=True))
    maps = {name: draw(plain_maps(name, btf)) for name in plain}
    more: bool = draw(st.booleans())
    if maps and more:
        maps["outer"] = draw(outer_maps("outer", btf, plain))
    for name in draw(st.lists(st.sampled_from(["old", "older"]), max_size=2, unique=True)):
        maps[name] = draw(plain_maps(name, None, "maps"))
    for section in draw(st.lists(st.sampled_from(DATA), max_size=2, unique=True)):
        maps[section] = draw(data_maps(section, btf))
    asked = draw(externs(btf)) if btf is not None else {}
    if ends := [one.offset + one.size for one in asked.values() if one.kind == "kconfig"]:
        maps[KCONFIG] = data_map(KCONFIG, bytes(max(ends)), btf)
    program_names = draw(st.lists(names.map(lambda name: f"p{name}"), max_size=3, unique=True))
    found = {
        name: draw(programs(name, draw(st.sampled_from(sorted(TYPES))), maps, asked, btf is not None))
        for name in program_names
    }
    tails = [name for name, one in found.items() if one.section == "2/3"]
    if found and more:
        maps["jumps"] = MapSpec("jumps", "prog_array", 4, 4, draw(words), contents=((1, next(iter(found))),))
    if len(tails) == 1 and draw(st.booleans()):
        maps["tails"] = MapSpec("tails", "prog_array", 4, 4, draw(words), contents=((3, tails[0]),), section="maps")
    places = {(place.file, place.line) for one in found.values() for place in one.lines.values()}
    return ObjectSpec(
        programs=found,
        maps=maps,
        btf=btf,
        license=draw(texts),
        endian=draw(st.sampled_from(["little", "big"])),
        sources={place: text for place in sorted(places) if (text := draw(texts))},
        externs=asked,
        version=draw(st.sampled_from([0, 0x60100])),
    )
