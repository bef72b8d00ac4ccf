"""Building a function: values are appended to the current block, blocks are made as they are needed."""

from __future__ import annotations

from bpfvm.compiler.ir.function import Block, Branch, FaultExit, Function, Goto, MayGoto, Return, Slot, Terminator
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS, accepts, operands
from bpfvm.compiler.ir.types import Ptr, Type, Value, Word
from bpfvm.core.bits import M64
from bpfvm.core.machine import Location
from bpfvm.lang.types.interval import U64, Interval

WORD = Word(U64)


class Builder:
    """Appends to `block`, the current one. `span` is put on every value and terminator made from then on."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.span: Location | None = None
        self._values = 0
        self._blocks = 0
        self.block = self.new_block()

    def new_block(self) -> Block:
        """A block without values, behind all others in the function."""
        block = Block(self._blocks)
        self._blocks += 1
        self.function.blocks.append(block)
        return block

    def at(self, block: Block) -> None:
        """Append to `block` from now on."""
        self.block = block

    def param(self, block: Block, type: Type) -> Value:
        """A new parameter of `block`; every edge to it must give an argument more."""
        value = self._value("param", [], type, 0, "")
        block.params.append(value)
        return value

    def op(self, name: str, *args: Value, type: Type = WORD, imm: int = 0, named: str = "") -> Value:
        """The value of the row `name` of ir.ops on `args`."""
        row = IR_OPS[name]
        if not accepts(row, len(args)):
            raise ValueError(f"{name} takes {operands(row)} operands, got {len(args)}")
        value = self._value(name, list(args), type, imm, named)
        self.block.values.append(value)
        return value

    def const(self, number: int, range: Interval | None = None) -> Value:
        """The word `number` mod 2**64."""
        return self.op("const", type=Word(range or Interval(number, number)), imm=number & M64)

    def ctx(self) -> Value:
        """The context pointer."""
        return self.op("ctx", type=Ptr("ctx"))

    def slot(self, name: str, size: int, align: int = 8, source: Location | None = None) -> Value:
        """The address of a new stack object of `size` bytes, which are undefined until they are stored."""
        self.function.slots.append(Slot(name, size, align, source))
        return self.op("slot", type=Ptr("stack"), imm=len(self.function.slots) - 1)

    def slot_of(self, number: int) -> Value:
        """The address of a stack object that there is."""
        return self.op("slot", type=Ptr("stack"), imm=number)

    def zero(self, slot: Value) -> None:
        """Store zeros to every byte of a stack object."""
        one = self.function.slots[slot.imm]
        at = 0
        while at < one.size:
            fitting = (size for size in (8, 4, 2, 1) if size <= one.align and at % size == 0 and at + size <= one.size)
            width = next(fitting)
            self.op(f"store{8 * width}", slot, self.const(0), imm=at)
            at += width

    def helper(self, name: str, *args: Value, type: Type = WORD) -> Value:
        """r0 of a helper, a row of tables.helpers."""
        return self.op("helper", *args, type=type, named=name)

    def kfunc(self, name: str, *args: Value, type: Type = WORD) -> Value:
        """r0 of a kernel function, a row of tables.kfuncs."""
        return self.op("kfunc", *args, type=type, named=name)

    def call(self, callee: Function, *args: Value, type: Type = WORD) -> Value:
        """r0 of a subprogram, which becomes one of the function's callees."""
        self.function.callees[callee.name] = callee
        return self.op("call", *args, type=type, named=callee.name)

    def goto(self, block: Block, *args: Value) -> None:
        """Close the current block."""
        self._close(Goto(block, list(args), self.span))

    def branch(self, cond: str, a: Value, b: Value, then: Block, other: Block) -> None:
        """Close the current block; to `then` if `cond` holds. Arguments may be added to the terminator later."""
        if cond not in CONDITIONS:
            raise ValueError(f"{cond} is not a condition; they are {', '.join(CONDITIONS)}")
        self._close(Branch(cond, a, b, then, other, span=self.span))

    def may_goto(self, block: Block, spent: Block, *args: Value) -> None:
        """Close the current block; to `block`, with `args`, while the loop budget lasts, else to `spent`."""
        self._close(MayGoto(block, spent, list(args), span=self.span))

    def ret(self, value: Value) -> None:
        """Close the current block by the program's end."""
        self._close(Return(value, self.span))

    def fault(self, site: int) -> None:
        """Close the current block by a fault exit."""
        self._close(FaultExit(site, self.span))

    def _close(self, terminator: Terminator) -> None:
        if self.block.terminator is not None:
            raise ValueError(f"{self.block} is closed already")
        self.block.terminator = terminator

    def _value(self, op: str, args: list[Value], type: Type, imm: int, name: str) -> Value:
        self._values += 1
        return Value(self._values, op, args, type, imm, name, self.span)


__all__ = ["WORD", "Block", "Builder"]
