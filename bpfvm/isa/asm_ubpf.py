"""The assembly dialect of uBPF and of the public conformance suites, both ways.

    mov %r0, 7                   # arithmetic: 64 bits by its bare name, mov32 for 32 bits; registers also without %
    movsx864 %r1, %r2            # sign-extend 8 bits to 64
    be16 %r1                     # be, le, bswap (or swap) of 16, 32, 64 bits
    ldxdw %r0, [%r1+2]           # b, h, w, dw; ldxsb to ldxsw extend the sign; [%r1] is [%r1+0]
    stxw [%r10-4], %r1           # and stw [%r10-4], 5
    lddw %r1, 0x1122334455667788
    jeq %r1, 0, +2               # or a label; jeq32 compares 32 bits
    ja end                       # and ja32, which reaches 32 bits
    call 1                       # a helper; call local LABEL, call runtime 42 (a kernel function), call %r2
    lock fetch add32 [%r1+0], %r2
    end: exit                    # without such a label, `exit` names the first exit

A number takes 32 bits however it is meant: -0x80000000 to 0xffffffff. Nothing here knows an opcode: mnemonics and forms
are made of the names and operands of the table's rows. What the dialect has no word for, `text_ubpf` refuses by name:
packet loads, ordered loads and stores, may_goto, gotox, addresses of maps and functions.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.bits import M32, M64, S32_MIN, S64_MIN, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.asm import Resolver
from bpfvm.isa.insn import Insn
from bpfvm.isa.lines import Line, shown
from bpfvm.isa.ops import OPS, Kind, Op

# What stands in a form: d, s registers; m, n memory at dst or at src + off; i, l immediates; t a jump's target
_SHAPE = {"d": "R", "s": "R", "m": "M", "n": "M", "i": "V", "l": "V", "t": "V"}
_SAMPLE = {"d": "%r1", "s": "%r2", "m": "[%r1+0]", "n": "[%r2+0]", "i": "5", "l": "5", "t": "+1"}
_SIZE = {8: "b", 16: "h", 32: "w", 64: "dw"}
_NAMED: Mapping[str, tuple[str, str]] = {
    "ja": ("ja", "t"),
    "gotol": ("ja32", "t"),
    "call": ("call", "i"),
    "call_local": ("call local", "t"),
    "call_kfunc": ("call runtime", "i"),
    "callx": ("call", "d"),
    "exit": ("exit", ""),
    "lddw": ("lddw", "dl"),
}
_ALSO = {"call helper": "call"}  # spellings that are read and never printed, besides those of `_aliases`
_COMMENT = re.compile(r"#.*")
_LABEL = re.compile(r"\s*([A-Za-z_.$][\w.$]*)\s*:", re.ASCII)
_REGISTER = re.compile(r"%?r(\d{1,3})", re.ASCII)
_MEMORY = re.compile(r"\[\s*(%?r\d{1,3})\s*(?:([+-].*?))?\s*\]", re.ASCII)
_WORDS = re.compile(r"(?:lock\s+(?:fetch\s+)?|call\s+(?=(?:local|helper|runtime)\s))?\S+", re.ASCII)
_NUMBER = re.compile(r"[+-]?\s*\d.*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """An instruction whose labels are not looked up yet."""

    line: Line
    op: Op
    form: str
    tokens: tuple[str, ...]
    slot: int


def assemble_ubpf(
    text: str, *, helper: Resolver | None = None, file: str | None = None, first_line: int = 1
) -> list[Insn]:
    """The instructions of `text`, with the fields that select a row set, as `decode` gives them.

    helper: a helper's number by its name, for `call NAME`. file, first_line: where the text stands.

    Raises LoadError with the line, what was met and what was wanted.
    """
    labels: dict[str, int] = {}
    parsed: list[_Parsed] = []
    slot, first_exit = 0, None
    for number, whole in enumerate(text.splitlines(), first_line):
        line = Line(whole, number, file)
        rest = _COMMENT.sub("", whole)
        while found := _LABEL.match(rest):
            if found[1] in labels:
                raise line.error(f"the label {found[1]} is there twice")
            labels[found[1]] = slot
            rest = rest[found.end() :]
        if rest.strip():
            one = _parse(line, rest.strip(), slot)
            if one.op.kind is Kind.EXIT and first_exit is None:
                first_exit = slot
            parsed.append(one)
            slot += 2 if one.op.kind is Kind.IMM64 else 1
    if first_exit is not None:
        labels.setdefault("exit", first_exit)
    return [_bind(one, labels, helper) for one in parsed]


def text_ubpf(one: Insn) -> str:
    """One instruction, jumps and local calls by distance. LoadError for what the dialect has no word for."""
    found = _spelling(one.op)
    if found is None or (one.op.name == "call_kfunc" and one.off):
        what = f"{one.op.name} of BTF object {one.off}" if one.op.name == "call_kfunc" else one.op.name
        raise LoadError(f"{what} cannot be written in the dialect of uBPF")
    mnemonic, form = found
    return f"{mnemonic} {', '.join(_printed(one, place) for place in form)}".rstrip()


def form_of(op: Op) -> str | None:
    """How the dialect writes a row, with operands to show the form, or None where it has no word."""
    found = _spelling(op)
    return _sample(*found) if found is not None else None


def spelled() -> tuple[Op, ...]:
    """The rows that the dialect has a word for, in the table's order."""
    return tuple(op for op in OPS if _spelling(op) is not None)


def _spelling(op: Op) -> tuple[str, str] | None:
    """The mnemonic of a row and its form, by its name and operands; None where there is none."""
    if op.name in _NAMED:
        return _NAMED[op.name]
    operand = {"src": "s", "imm": "i"}[op.operand] if {"src", "imm"} & op.uses else ""
    match op.kind:
        case Kind.ALU | Kind.JUMP:
            return _arithmetic(op), "d" + operand + ("t" if op.kind is Kind.JUMP else "")
        case Kind.LOAD:
            return f"ldx{_SIZE[op.bits]}", "dn"
        case Kind.LOAD_SX:
            return f"ldxs{_SIZE[op.bits]}", "dn"
        case Kind.STORE:
            return f"{'stx' if operand == 's' else 'st'}{_SIZE[op.bits]}", "m" + operand
        case Kind.ATOMIC:
            name = op.name.removeprefix("atomic_").removesuffix(str(op.bits)).replace("_", " ")
            return f"lock {name}{'32' if op.bits == 32 else ''}", "ms"
    return None


def _arithmetic(op: Op) -> str:
    """add64_k is add, add32_k add32; movs8_64 is movsx864; be16 keeps its width."""
    if op.name.startswith("movs"):
        return f"movsx{op.name[4:].replace('_', '')}"
    if op.imm_is is not None:
        return op.name
    base = op.name.partition("_")[0].rstrip("0123456789")
    return f"{base}32" if op.bits == 32 else base


def _aliases(op: Op, mnemonic: str) -> list[str]:
    """Other words for a row: mov64 for mov, swap16 for bswap16, ldxbsx for ldxsb."""
    if op.kind is Kind.ALU and mnemonic.isalpha():
        return [f"{mnemonic}64"]
    if mnemonic.startswith("bswap"):
        return [mnemonic[1:]]
    return [f"ldx{_SIZE[op.bits]}sx"] if op.kind is Kind.LOAD_SX else []


@functools.cache
def _forms() -> dict[str, dict[str, tuple[Op, str]]]:
    """Mnemonic -> what its operands look like ("RV": register, value) -> the row and its form."""
    forms: dict[str, dict[str, tuple[Op, str]]] = {}
    for op in OPS:
        found = _spelling(op)
        if found is not None:
            mnemonic, form = found
            shape = "".join(_SHAPE[place] for place in form)
            for name in (mnemonic, *_aliases(op, mnemonic)):
                forms.setdefault(name, {})[shape] = op, form
    return forms | {name: forms[real] for name, real in _ALSO.items()}


def _parse(line: Line, rest: str, slot: int) -> _Parsed:
    found = _WORDS.match(rest)
    assert found is not None, "there is something on the line"
    mnemonic = " ".join(found[0].split())
    behind = rest[found.end() :].strip()
    tokens = tuple(token.strip() for token in behind.split(",")) if behind else ()
    forms = _forms().get(mnemonic)
    if forms is None:
        raise line.error(f"there is no mnemonic {shown(mnemonic)!r}")
    row = forms.get("".join(map(_shape, tokens)))
    if row is None:
        wanted = " or ".join(f"`{_sample(mnemonic, form)}`" for _, form in forms.values())
        raise line.error(f"met {shown(behind) or 'no operand'!r} where a form like {wanted} is wanted")
    return _Parsed(line, *row, tokens, slot)


def _shape(token: str) -> str:
    if _REGISTER.fullmatch(token):
        return "R"
    return "M" if token.startswith("[") else "V"


def _sample(mnemonic: str, form: str) -> str:
    return f"{mnemonic} {', '.join(_SAMPLE[place] for place in form)}".rstrip()


def _bind(one: _Parsed, labels: Mapping[str, int], helper: Resolver | None) -> Insn:
    op = one.op
    fields = {"dst": 0, "src": op.src_is or 0, "off": op.off_is or 0, "imm": op.imm_is or 0}
    for place, token in zip(one.form, one.tokens, strict=True):
        match place:
            case "d" | "s":
                fields["dst" if place == "d" else "src"] = _register(one.line, token)
            case "m" | "n":
                fields["dst" if place == "m" else "src"], fields["off"] = _memory(one.line, token)
            case "i":
                fields["imm"] = signed(_immediate(one, token, helper), 32)
            case "l":
                fields["imm"] = one.line.number_in(token, S64_MIN, M64, "a 64-bit number") & M64
            case "t":
                fields["off" if "off" in op.uses else "imm"] = _reach(one, token, labels)
    return Insn(op, fields["dst"], fields["src"], fields["off"], fields["imm"], source=one.line.place)


def _register(line: Line, token: str) -> int:
    found = _REGISTER.fullmatch(token)
    if found is None or int(found[1]) > 10:
        raise line.error(f"met {shown(token)} where a register (%r0 to %r10) is wanted")
    return int(found[1])


def _memory(line: Line, token: str) -> tuple[int, int]:
    found = _MEMORY.fullmatch(token)
    if found is None:
        raise line.error(f"met {shown(token)!r} where memory like [%r1+2] is wanted")
    off = line.number_in(found[2], -0x8000, 0x7FFF, "an offset") if found[2] else 0
    return _register(line, found[1]), off


def _immediate(one: _Parsed, token: str, helper: Resolver | None) -> int:
    if one.op.name == "call" and not _NUMBER.fullmatch(token):
        number = helper(token) if helper is not None else None
        if number is None:
            raise one.line.error(f"met {shown(token)!r} where a helper, by number or by name, is wanted")
        return number
    return one.line.number_in(token, S32_MIN, M32, "a number")


def _reach(one: _Parsed, token: str, labels: Mapping[str, int]) -> int:
    """Slots from the next one to the target."""
    low, high = (-0x8000, 0x7FFF) if "off" in one.op.uses else (S32_MIN, -S32_MIN - 1)
    if token in labels:
        reach = labels[token] - one.slot - 1
        if not low <= reach <= high:
            raise one.line.error(f"{token} is {reach} slots away, and {one.op.name} reaches {low} to {high}")
        return reach
    if not token.startswith(("+", "-")):
        raise one.line.error(f"met {shown(token)!r} where a label of this program or a distance like +3 is wanted")
    return one.line.number_in(token, low, high, "a distance")


def _printed(one: Insn, place: str) -> str:
    match place:
        case "d" | "s":
            return f"%r{one.dst if place == 'd' else one.src}"
        case "m" | "n":
            return f"[%r{one.dst if place == 'm' else one.src}{one.off:+d}]"
        case "t":
            return f"{one.jump:+d}"
        case "l":
            return f"{one.imm:#x}"
    return str(one.imm)
