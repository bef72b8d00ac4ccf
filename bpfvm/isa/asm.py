"""Text to instructions: the syntax that the disassembler prints, read by the same templates of the table.

    loop:                           # a label; comments begin with #, ; or //
    3:  r1 += 5                     # a slot number before an instruction says nothing: listings can be read back
        if r1 s> -7 goto loop       # a label, or pc+3
        r2 = *(u8 *)(r3 + 14)       # blanks are free, a missing offset is +0
        call bpf_map_lookup_elem#1  # by number, or by name where the caller can tell its number; or a label
        r1 = map[hits]              # a map, r1 = map[hits]+8 its value at byte 8
        r1 = 0x123456789 ll         # 64-bit immediate

Immediates are decimal or hex, and must fit: 32-bit operations take -0x80000000 to 0xffffffff, 64-bit ones, which
extend the sign, -0x80000000 to 0x7fffffff. As the kernel prints it, a 64-bit comparison takes a negative number also
as 32-bit hex: `if r1 == 0xfffffff9` compares with -7.

The templates of all rows make a tree of tokens; a line walks down the tree, so where it leaves it what was met and
what was wanted are known.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bpfvm.core.bits import M16, M32, M64, S32_MAX, S32_MIN, S64_MIN, signed
from bpfvm.isa.insn import Insn
from bpfvm.isa.lines import Line, shown
from bpfvm.isa.ops import OPS, Kind, Op

Resolver = Callable[[str], int | None]

_COMMENT = re.compile(r"(?:(?<!\S)#|;|//).*")
_LABEL = re.compile(r"\s*([\w.$]+):", re.ASCII)
_TOKEN = re.compile(
    r"(?P<number>(?:\+\s*-|[+-])?\s*[0-9]\w*)"
    r"|(?P<sign>s>>=|s>=|s<=|s/=|s%=|s>|s<|<<=|>>=|[-+*/|&%^=!<>]=|[-+*/|&%^=<>(),@\[\]])"
    r"|(?P<place>pc\s*[+-]\s*\w+)"
    r"|(?P<word>[A-Za-z_.$][\w.$]*(?:#-?\w+)?)"
    r"|(?P<other>\S)",
    re.ASCII,
)
# Operand classes: what a token of the tree stands for, and how an error calls it
_WANTED = {
    "R": "a 64-bit register (r0 to r10)",
    "W": "a 32-bit register (w0 to w10)",
    "N": "a number",
    "T": "a target (a label, pc+3, a helper)",
    "S": "a name or #number",
    "": "the end of the line",
}
_CLASS = {"z": "R", "t": "T", "f": "T", "n": "S", **dict.fromkeys("ixlovab", "N")}
_BEFORE_TARGET = frozenset({"goto", "gotol", "may_goto", "call", "func"})
_BEFORE_NAME = frozenset(re.findall(r"(\w+)\[\{n\}", " ".join(op.text for op in OPS)))
_REGISTER = re.compile(r"[rw](\d+)")
_IN_BRACKETS = re.compile(r"\[([^\]]*)\]")
_SYMBOL = re.compile(r"([^#]*)(?:#(-?\w+))?")


@dataclass(slots=True)
class _Node:
    """A place in the tree: what may follow, by class or literal, and which rows end here with their placeholders."""

    after: dict[str, _Node] = field(default_factory=dict)
    ends: list[tuple[Op, tuple[str, ...]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """An instruction whose labels are not looked up yet: the rows it may be, and the tokens of its operands."""

    line: Line
    ends: list[tuple[Op, tuple[str, ...]]]
    operands: tuple[str, ...]
    slot: int


def assemble(text: str, *, helper: Resolver | None = None, file: str | None = None, first_line: int = 1) -> list[Insn]:
    """The instructions of `text`, with the fields that select a row set, as `decode` gives them.

    helper: a helper's number by its name ("bpf_map_lookup_elem"), or None for a name that is none.
    file, first_line: where the text stands, for errors and for the instructions' source places.

    Raises LoadError with the line, what was met and what was wanted.
    """
    labels: dict[str, int] = {}
    parsed: list[_Parsed] = []
    slot = 0
    for number, whole in enumerate(text.splitlines(), first_line):
        line = Line(whole, number, file)
        rest = _take_labels(line, _COMMENT.sub("", whole), labels, slot)
        if rest:
            one = _parse(line, rest, slot)
            parsed.append(one)
            slot += 2 if one.ends[0][0].kind is Kind.IMM64 else 1
    return [_bind(one, labels, helper) for one in parsed]


def _take_labels(line: Line, rest: str, labels: dict[str, int], slot: int) -> str:
    """Note the labels that `rest` begins with; what stands behind them."""
    while found := _LABEL.match(rest):
        name = found[1]
        if name in labels:
            raise line.error(f"the label {name} is there twice")
        if not name.isdigit():
            labels[name] = slot
        rest = rest[found.end() :]
    return rest.strip()


def _parse(line: Line, rest: str, slot: int) -> _Parsed:
    node, operands, last = _tree(), [], ""
    for kind, token in _tokens(rest):
        if kind == ")" and last == "R" and "N" in node.after:  # (r1) is (r1 +0)
            node = node.after["N"]
            operands.append("+0")
        following = node.after.get(kind)
        if following is None:
            raise line.error(f"met {shown(token)!r} where {_choices(node)} is wanted")
        if kind in _WANTED:
            operands.append(token)
        node, last = following, kind
    if not node.ends:
        raise line.error(f"met the end of the line where {_choices(node)} is wanted")
    return _Parsed(line, node.ends, tuple(operands), slot)


def _tokens(rest: str) -> Iterator[tuple[str, str]]:
    """(class or literal, token) of a line or of a template without its placeholders."""
    at, wants = 0, ""
    while found := _TOKEN.search(rest, at):
        kind, token, at = found.lastgroup, found[0].strip(), found.end()
        inside = _IN_BRACKETS.match(rest, at) if token in _BEFORE_NAME else None
        if wants == "T" and not rest.startswith("[", at):
            yield "T", token
        elif kind == "number":
            yield "N", token
        elif kind == "word" and _REGISTER.fullmatch(token):
            yield token[0].upper(), token
        else:
            yield token, token
        wants = "T" if token in _BEFORE_TARGET and wants != "T" else ""
        if inside:
            yield from (("[", "["), ("S", inside[1]), ("]", "]"))
            at = inside.end()


@functools.cache
def _tree() -> _Node:
    root = _Node()
    for op in OPS:
        node, placeholders = root, []
        for piece in re.split(r"(\{\w\})", op.text):
            if piece.startswith("{"):
                placeholders.append(piece[1])
                narrow = op.bits == 32 and op.kind in (Kind.ALU, Kind.JUMP)
                kinds = [_CLASS.get(piece[1]) or ("W" if narrow else "R")]
            else:
                # a sign before a number belongs to the number
                kinds = [kind for kind, _ in _tokens(piece) if kind != "+" or not piece.rstrip().endswith("+")]
            for kind in kinds:
                node = node.after.setdefault(kind, _Node())
        node.ends.append((op, tuple(placeholders)))
    return root


def _choices(node: _Node) -> str:
    """What a line may go on with here, in words."""
    names = [_WANTED.get(kind) or f"`{kind}`" for kind in node.after]
    if node.ends:
        names.append(_WANTED[""])
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _bind(one: _Parsed, labels: dict[str, int], helper: Resolver | None) -> Insn:
    op, placeholders = one.ends[0]
    operands = one.operands
    if len(one.ends) > 1:
        op, placeholders, operands = _call(one, labels, helper)
    values: dict[str, int] = {}
    symbol = None
    for placeholder, token in zip(placeholders, operands, strict=True):
        if placeholder == "n":
            symbol, number = _symbol(one.line, op, token)
            _set(one.line, op, values, "imm", number)
        else:
            name, number = _value(one, op, placeholder, token, labels)
            _set(one.line, op, values, name, number)
    return Insn(
        op,
        values.get("dst", 0),
        values.get("src", op.src_is or 0),
        values.get("off", op.off_is or 0),
        _joined(op, values),
        symbol,
        one.line.place,
    )


def _joined(op: Op, values: dict[str, int]) -> int:
    """The immediate, of one operand or of its halves."""
    if "to" in values:
        return signed(values["to"] << 16 | values["from"], 32)
    return values.get("imm", op.imm_is or 0) | values.get("high", 0) << 32


def _set(line: Line, op: Op, values: dict[str, int], name: str, number: int) -> None:
    """Keep an operand; one that a template has twice must be the same both times."""
    if values.setdefault(name, number) != number:
        raise line.error(f"met registers {values[name]} and {number} where {op.name} wants the same one twice")


def _call(one: _Parsed, labels: dict[str, int], helper: Resolver | None) -> tuple[Op, tuple[str, ...], tuple[str, ...]]:
    """Which call a line is: of a helper by number or name, or of a place in the program."""
    rows = {op.name: (op, placeholders) for op, placeholders in one.ends}
    (token,) = one.operands
    if token in labels or re.fullmatch(r"(pc)?\s*[+-].*", token):
        return *rows["call_local"], one.operands
    if "#" in token or token.isdigit():
        return *rows["call"], (token.rpartition("#")[2],)
    number = helper(token) if helper is not None else None
    if number is None:
        raise one.line.error(f"met {token!r} where a label of this program or a helper, by name or number, is wanted")
    return *rows["call"], (str(number),)


def _value(one: _Parsed, op: Op, placeholder: str, token: str, labels: dict[str, int]) -> tuple[str, int]:
    """The field that a placeholder fills, and its value."""
    line = one.line
    match placeholder:
        case "d" | "s" | "z":
            number = _register(line, token)
            if placeholder == "z" and number:
                raise line.error(f"met {token} where r0 is wanted")
            return {"d": "dst", "s": "src", "z": "r0"}[placeholder], number
        case "o":
            if not token.startswith(("+", "-")):
                raise line.error(f"met {token!r} where an offset with its sign is wanted")
            return "off", line.number_in(token, -0x8000, 0x7FFF, "an offset")
        case "t":
            return _target(one, op, token, labels)
        case "l":
            return "imm", line.number_in(token, S64_MIN, M64, "a 64-bit number") & M64
        case "v" if op.kind is Kind.CALL:
            return "off", line.number_in(token, -0x8000, 0x7FFF, "the number of a BTF object")
        case "v":
            return "high", line.number_in(token, 0, M32, "a number")
        case "a" | "b":
            return {"a": "to", "b": "from"}[placeholder], line.number_in(
                token, 0, M16, "the number of an address space"
            )
    return "imm", _immediate(line, op, token)


def _register(line: Line, token: str) -> int:
    number = int(token[1:])
    if number > 10:
        raise line.error(f"met {token} where {_WANTED[token[0].upper()]} is wanted")
    return number


def _immediate(line: Line, op: Op, token: str) -> int:
    """The signed 32 bits of an immediate."""
    narrow = op.bits <= 32 and op.kind in (Kind.ALU, Kind.JUMP, Kind.STORE)
    printed = op.kind is Kind.JUMP and token[:2].lower() == "0x"
    what = "a number without `ll` behind it" if op.name == "mov64_k" else "a number"
    number = line.number_in(token, S32_MIN, M32 if narrow or printed else S32_MAX, what)
    return number - (1 << 32) if number > S32_MAX else number


def _target(one: _Parsed, op: Op, token: str, labels: dict[str, int]) -> tuple[str, int]:
    """The field of a jump's reach and the reach, counted from the next slot."""
    short = "off" in op.uses
    low, high = (-0x8000, 0x7FFF) if short else (S32_MIN, S32_MAX)
    if token in labels:
        reach = labels[token] - one.slot - 1
        if not low <= reach <= high:
            raise one.line.error(f"{token} is {reach} slots away, and this operation reaches {low} to {high}")
    else:
        distance = token.removeprefix("pc").strip()
        if not distance.startswith(("+", "-")):
            raise one.line.error(f"met {token!r} where a label of this program or a distance like pc+3 is wanted")
        reach = one.line.number_in(distance, low, high, "a distance")
    return ("off", reach) if short else ("imm", reach & M32 if op.kind is Kind.IMM64 else reach)


def _symbol(line: Line, op: Op, token: str) -> tuple[str | None, int]:
    """A name and a number, of which one may be missing."""
    found = _SYMBOL.fullmatch(token.strip())
    if found is None or not (found[1] or found[2]):
        raise line.error(f"met {token!r} where {_WANTED['S']} is wanted")
    low, high = (S32_MIN, S32_MAX) if op.kind is Kind.CALL else (0, M32)
    return found[1] or None, line.number_in(found[2], low, high, "a number") if found[2] else 0
