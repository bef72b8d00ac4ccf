"""The IR as text, out and in.

    function proto xdp "xdp" on_fault 2
    map hits array 4 8 256
    b0:
      v1: ctx* = ctx
      v2: packet* = load32 v1 +0
      v5: [0, 255] = load8 v2 +23
      branch ugt v4 v3 b2() b1(v5)
    b1(v6: [0, 255]):
      return v6
    b2:
      fault 0

Stack objects stand beside the maps: "slot key 8 8" is the next one's name, size and alignment; so do constants:
"constants .rodata.f 0102" is a data section and its bytes. Subprograms follow the
program that calls them, each a function of its own. Fault sites and source places are not part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bpfvm.compiler.ir.function import (
    Block,
    Branch,
    CoreAccess,
    FaultExit,
    Function,
    Goto,
    MayGoto,
    Return,
    Slot,
    Terminator,
    constants_map,
)
from bpfvm.compiler.ir.ops import IR_OPS, accepts
from bpfvm.compiler.ir.types import Ptr, Type, Value, Word
from bpfvm.core.errors import LoadError
from bpfvm.lang.types.interval import Interval
from bpfvm.obj.model import MapSpec


def to_text(function: Function) -> str:
    """`function` as text that `parse` takes, a program with its subprograms."""
    callees = () if function.is_subprogram else function.callees.values()
    return "".join(_function(one) for one in (function, *callees))


def _function(function: Function) -> str:
    result = "" if function.result_offset is None else f" result {function.result_offset}"
    result += " global" if function.is_global else ""
    result += " subprogram" if function.is_subprogram else ""
    result += " status" if function.has_status else ""
    result += " later" if function.is_later else ""
    lines = [f'function {function.name} {function.type} "{function.section}" on_fault {function.on_fault}{result}']
    for one in function.maps.values():
        if one.initial is not None:
            lines.append(f"constants {one.name} {one.initial.hex()}")
            continue
        hidden = " hidden" if one.hidden else ""
        lines.append(f"map {one.name} {one.type} {one.key_size} {one.value_size} {one.max_entries}{hidden}")
    lines += [f"slot {one.name} {one.size} {one.align}" for one in function.slots]
    for block in function.blocks:
        params = ", ".join(f"{param}: {param.type}" for param in block.params)
        lines.append(f"{block}({params}):" if params else f"{block}:")
        lines += [f"  {_value(value)}" for value in block.values]
        lines.append(f"  {_terminator(block.terminator)}")
    return "\n".join(lines) + "\n"


def _value(value: Value) -> str:
    row = IR_OPS[value.op]
    words = [value.op, *([value.name] if row.named else []), *map(repr, value.args)]
    if row.imm:
        words.append(f"{value.imm:#x}" if value.op == "const" else f"{value.imm:+d}")
    return f"{value}: {value.type} = {' '.join(words)}"


def _terminator(end: Terminator | None) -> str:
    if isinstance(end, Goto):
        return f"goto {_target(end.block, end.args)}"
    if isinstance(end, Branch):
        ways = f"{_target(end.then, end.then_args)} {_target(end.other, end.other_args)}"
        return f"branch {end.cond} {end.a} {end.b} {ways}"
    if isinstance(end, MayGoto):
        return f"may_goto {_target(end.block, end.args)} {_target(end.spent, end.spent_args)}"
    if isinstance(end, Return):
        return f"return {end.value}"
    return f"fault {end.site}" if isinstance(end, FaultExit) else "open"


def _target(block: Block, args: Sequence[Value]) -> str:
    return f"{block}({', '.join(map(repr, args))})"


_HEAD = re.compile(
    r'function (\S+) (\S+) "([^"]*)" on_fault (\d+)(?: result (\d+))?( global)?( subprogram)?( status)?( later)?$'
)
_MAP = re.compile(r"map (\S+) (\S+) (\d+) (\d+) (\d+)( hidden)?$")
_CONSTANTS = re.compile(r"constants (\S+) ((?:[0-9a-f]{2})+)$")
_SLOT = re.compile(r"slot (\S+) (\d+) ([1248])$")
_BLOCK = re.compile(r"b(\d+)(?:\((.*)\))?:$")
_PARAM = re.compile(r"v(\d+): (\[-?\d+, -?\d+\]|\S+)(?:, |$)")
_VALUE = re.compile(r"v(\d+): (\[-?\d+, -?\d+\]|\S+) = (\S+)(.*)$")
_TARGET = re.compile(r"b(\d+)\(([^)]*)\)")


def parse(text: str) -> Function:
    """The function that `text` is, with its subprograms. LoadError names the line that is not of the form."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(";")]
    starts = [at for at, line in enumerate(lines) if line.startswith("function ")] or [0]
    parts = [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    program, *callees = [_Parser(part).function for part in parts]
    program.callees = {one.name: one for one in callees}
    for one in callees:
        one.callees = program.callees
    return program


class _Parser:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._values: dict[int, Value] = {}
        self._blocks: dict[int, Block] = {}
        head = self._match(_HEAD, self._lines[0] if self._lines else "")
        offset = None if head[5] is None else int(head[5])
        self.function = Function(
            head[1], head[2], head[3], int(head[4]), result_offset=offset, is_global=bool(head[6]),
            is_subprogram=bool(head[7]), has_status=bool(head[8]), is_later=bool(head[9]),
        )  # fmt: skip
        self._scan()
        self._fill()

    def _match(self, form: re.Pattern[str], line: str) -> re.Match[str]:
        found = form.match(line.strip())
        if found is None:
            raise LoadError(f"IR text: {line.strip()!r} is not of the form {form.pattern}")
        return found

    def _scan(self) -> None:
        """First all blocks and values, so that uses may stand before definitions in the text."""
        for line in self._lines[1:]:
            if line.startswith("map "):
                m = self._match(_MAP, line)
                self.function.maps[m[1]] = MapSpec(m[1], m[2], int(m[3]), int(m[4]), int(m[5]), hidden=bool(m[6]))
            elif line.startswith("constants "):
                m = self._match(_CONSTANTS, line)
                self.function.maps[m[1]] = constants_map(m[1], bytes.fromhex(m[2]))
            elif line.startswith("slot "):
                m = self._match(_SLOT, line)
                self.function.slots.append(Slot(m[1], int(m[2]), int(m[3])))
            elif line.startswith("b"):
                m = self._match(_BLOCK, line)
                block = self._blocks[int(m[1])] = Block(int(m[1]))
                self.function.blocks.append(block)
                for number, kind in _PARAM.findall(m[2] or ""):
                    block.params.append(self._define(int(number), "param", kind))
            elif line.lstrip().startswith("v"):
                m = self._match(_VALUE, line)
                if m[3] not in IR_OPS:
                    raise LoadError(f"IR text: {m[3]!r} is not an operation")
                self._define(int(m[1]), m[3], m[2])

    def _define(self, number: int, op: str, kind: str) -> Value:
        if number in self._values:
            raise LoadError(f"IR text: v{number} is defined twice")
        self._values[number] = Value(number, op, [], _type(kind))
        return self._values[number]

    def _fill(self) -> None:
        block: Block | None = None
        for line in self._lines[1:]:
            words = line.split()
            if line.startswith("b"):
                block = self._blocks[int(self._match(_BLOCK, line)[1])]
            elif not line.startswith(("map ", "slot ", "constants ")):
                if block is None or not words:
                    raise LoadError(f"IR text: {line.strip()!r} stands in no block")
                if words[0].startswith("v"):
                    block.values.append(self._operands(line))
                else:
                    block.terminator = self._end(words, line)

    def _operands(self, line: str) -> Value:
        m = self._match(_VALUE, line)
        value, row = self._values[int(m[1])], IR_OPS[m[3]]
        words = m[4].split()
        if not accepts(row, len(words) - bool(row.named) - row.imm):
            raise LoadError(f"IR text: {line.strip()!r}: {row.name} has other operands")
        if row.named:
            value.name = words.pop(0)
        if row.named == "core":
            self.function.core[value.name] = CoreAccess.parse(value.name)
        if row.imm:
            value.imm = _number(words.pop())
        value.args = [self._use(word) for word in words]
        return value

    def _use(self, word: str) -> Value:
        number = word.lstrip("v")
        if not number.isdigit() or int(number) not in self._values:
            raise LoadError(f"IR text: {word!r} is not a value of this function")
        return self._values[int(number)]

    def _end(self, words: list[str], line: str) -> Terminator:
        ways = []
        for number, args in _TARGET.findall(line):
            if int(number) not in self._blocks:
                raise LoadError(f"IR text: b{number} is not a block of this function")
            ways.append(
                (self._blocks[int(number)], [self._use(word.strip()) for word in args.split(",") if word.strip()])
            )
        before = words[:1] if words[0] in ("goto", "may_goto") else words
        match before[0], len(ways), before[1:]:
            case "goto", 1, []:
                return Goto(*ways[0])
            case "branch", 2, [cond, a, b, *_]:
                (then, then_args), (other, other_args) = ways
                return Branch(cond, self._use(a), self._use(b), then, other, then_args, other_args)
            case "may_goto", 2, []:
                (then, then_args), (other, other_args) = ways
                return MayGoto(then, other, then_args, other_args)
            case "return", 0, [value]:
                return Return(self._use(value))
            case "fault", 0, [site]:
                return FaultExit(_number(site))
        raise LoadError(f"IR text: {line.strip()!r} is no terminator")


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise LoadError(f"IR text: {text!r} is not a number") from None


def _type(text: str) -> Type:
    if text.startswith("["):
        lo, _, hi = text[1:-1].partition(", ")
        low, high = _number(lo), _number(hi)
        if low > high:
            raise LoadError(f"IR text: {text} is an empty interval")
        return Word(Interval(low, high))
    space = text.rstrip("*?")
    return Ptr(space, nullable="?" in text)
