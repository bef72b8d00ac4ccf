"""Instruction selection: one function of the IR to LIR, with the instructions that a target has.

Operands that are constants and fit become immediates; block parameters become copies on the edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.compiler.ir.function import NOTED, Block, Branch, FaultExit, Function, Goto, MayGoto, Return, edges
from bpfvm.compiler.ir.graph import loop_depths
from bpfvm.compiler.ir.ops import CONDITIONS, IR_OPS
from bpfvm.compiler.ir.types import Ptr, Value, Word
from bpfvm.compiler.lower.copies import sequence
from bpfvm.compiler.lower.lir import R0, R1, R2, R3, R4, R6, R10, Lir, LirBlock, LirFunction, Reg
from bpfvm.compiler.lower.narrow import clears, low_halves, signed_loads
from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN, signed
from bpfvm.core.machine import Location
from bpfvm.lang.target import DEFAULT, Target
from bpfvm.lang.types.interval import of_bits
from bpfvm.obj.model import MapSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS

MIRRORED = {"ult": "ugt", "ugt": "ult", "ule": "uge", "uge": "ule", "slt": "sgt", "sgt": "slt", "sle": "sge",
            "sge": "sle", "eq": "eq", "ne": "ne", "set": "set"}  # fmt: skip
LESS = ("ult", "ule", "slt", "sle")
SIGNED_MOVES = {"sext8": "movs8_64", "sext16": "movs16_64", "sext32": "movs32_64"}
STACK = Ptr("stack")
UNSIGNED = ("eq", "ne", "ult", "ule", "ugt", "uge")


def select(function: Function, fault_record: MapSpec | None, target: Target = DEFAULT) -> LirFunction:
    """`function` as LIR. fault_record: the map in which a fault exit notes its site, or None to note nothing."""
    return _Selector(function, fault_record, target).lower()


class _Selector:
    def __init__(self, function: Function, fault_record: MapSpec | None, target: Target) -> None:
        self.function, self.record, self.target = function, fault_record, target
        entry = function.blocks[0]
        self.out = LirFunction(function.name, is_subprogram=function.is_subprogram, params=len(entry.params))
        self.slots = [self.out.slot(one.size, one.name) for one in function.slots]
        self.halves = low_halves(function) if target.cpu >= 3 else set()
        self.signed = signed_loads(function) if target.cpu >= 4 else {}
        self.extended = set(self.signed.values())  # by the loads themselves
        self.registers: dict[Value, Reg] = {}
        self.blocks: dict[Block, LirBlock] = {}
        self.context = self.out.new()
        self.span: Location | None = None
        self.tail: LirBlock | None = None  # what all fault exits end by
        self._key: int | None = None
        self._value: int | None = None
        self.block = LirBlock("")

    def lower(self) -> LirFunction:
        reached = self.make_blocks()
        for block in reached:
            self.block = self.blocks[block]
            if block is reached[0]:
                self.take_arguments(block)
            for value in block.values:
                self.span = value.span
                self.lower_value(value)
            self.span = block.terminator.span if block.terminator else None
            self.lower_end(block)
        return self.out

    def take_arguments(self, entry: Block) -> None:
        """What stands in r1 and on at the start: the context, or a subprogram's arguments."""
        if not self.function.is_subprogram:
            self.emit("mov64_x", self.context, R1)
        for register, param in enumerate(entry.params, R1):
            self.emit("mov64_x", self.register(param), register)
            if param.type == Ptr("dynptr"):
                self.out.pinned.add(self.register(param))

    def make_blocks(self) -> list[Block]:
        """A LIR block for each block that is reached. Fault exits that note nothing are all the same, hence one."""
        reached: list[Block] = []
        shared: dict[int | str, LirBlock] = {}
        for block, depth in loop_depths(self.function).items():
            fault, result = isinstance(block.terminator, FaultExit), self.result(block)
            if result in shared:
                self.blocks[block] = shared[result]
                continue
            self.blocks[block] = LirBlock(repr(block), cold=fault, depth=depth)
            self.out.blocks.append(self.blocks[block])
            reached.append(block)
            if result is not None:
                shared[result] = self.blocks[block]
        return reached

    def result(self, block: Block) -> int | str | None:
        """What a block that does nothing else ends the program by: blocks of one result are one. None for any other."""
        end, function = block.terminator, self.function
        if self.record is not None or block.params or any(value.op != "const" for value in block.values):
            return None
        usual = function.result_offset is None and not function.is_subprogram
        if isinstance(end, FaultExit):
            return function.on_fault & M32 if usual else "fault"
        known = function.faults_alike and usual and isinstance(end, Return) and end.value.op == "const"
        return end.value.imm & M32 if known and isinstance(end, Return) else None

    def emit(self, op: str, dst: Reg = 0, src: Reg = 0, off: int = 0, imm: int = 0, symbol: str | None = None) -> None:
        self.block.insns.append(Lir(op, dst, src, off, imm, symbol, span=self.span))

    def jump(self, op: str, target: LirBlock, dst: Reg = 0, src: Reg = 0, imm: int = 0) -> None:
        self.block.insns.append(Lir(op, dst, src, imm=imm, target=target, span=self.span))

    def register(self, value: Value) -> Reg:
        """The register that holds `value`; a constant is made anew for every use: that is cheaper than a register."""
        if value.op == "const":
            made = self.out.new()
            self.constant(made, value.imm)
            return made
        if value.op == "ctx":
            return self.context
        if value.op in ("map", "function") or self.frame_offset(value) is not None:
            made = self.out.new()
            self.place(made, value)
            return made
        if value not in self.registers:
            self.registers[value] = self.out.new()
        return self.registers[value]

    def frame_offset(self, value: Value) -> int | None:
        """The distance from r10 of an address on the stack that is known: of an object, or of a part of one."""
        if value.op == "slot":
            return self.slots[value.imm]
        if value.op != "add" or value.type != STACK or value.args[1].op != "const":
            return None
        base, distance = self.frame_offset(value.args[0]), signed(value.args[1].imm, 64)
        return base + distance if base is not None and base <= base + distance <= 0 else None

    def place(self, dst: Reg, value: Value) -> None:
        """An address on the stack that is known, a map, or a function."""
        offset = self.frame_offset(value)
        if value.op == "function":
            self.emit("lddw_func", dst, symbol=value.name)
        elif offset is None:
            self.emit("lddw_map", dst, symbol=value.name)
        else:
            self.emit("mov64_x", dst, R10)
            self.emit("add64_k", dst, imm=offset)

    def constant(self, dst: Reg, number: int) -> None:
        if immediate(number) is not None:
            self.emit("mov64_k", dst, imm=signed(number, 64))
        elif number <= M32 and self.target.cpu >= 3:
            self.emit("mov32_k", dst, imm=signed(number, 32))
        else:
            self.emit("lddw", dst, imm=number)

    def lower_value(self, value: Value) -> None:
        known = value.op in ("const", "ctx", "map", "function") or self.frame_offset(value) is not None
        if known or value in self.extended:
            return  # made where they are used, or by the load
        row = IR_OPS[value.op]
        if value in self.halves or (clears(value) and value.args[0] in self.halves):
            self.low_half(value, row.insn)
        elif row.insn:
            self.arithmetic(value, row.insn)
        elif value.op in UNARY:
            self.unary(value)
        elif value.op.startswith(("load", "store", "atomic")):
            self.memory(value, row.bits)
        elif value.op.startswith("core"):
            self.core(value, row.bits)
        elif value.op.startswith("skb"):
            self.legacy_load(value, row.bits)
        elif value.op == "forget":
            self.forget(value)
        elif value.op == "map_value":
            self.emit("lddw_map_value", self.register(value), imm=value.imm << 32, symbol=value.name)
        elif value.op == "lookup":
            self.map_call("map_lookup_elem", value)
        elif value.op == "update":
            self.map_call("map_update_elem", value)
        else:
            self.call(value)

    def memory(self, value: Value, bits: int) -> None:
        """A load, a store or an atomic operation."""
        if value.op.startswith("store"):
            self.store(value, bits)
            return
        base, off = self.address(value.args[0], value.imm)
        if value.op.startswith("atomic"):
            self.atomic(value, base, off)
            return
        kind = "ldsx" if value in self.signed else "ldx"
        self.emit(f"{kind}{bits}", self.register(self.signed.get(value, value)), base, off)

    def core(self, value: Value, bits: int) -> None:
        """What CO-RE decides: the immediate or the offset of an instruction that names what it asks for."""
        dst = self.register(value)
        if value.op == "core":
            self.emit("mov64_k", dst, imm=value.imm, symbol=value.name)
        elif value.op == "core_add":
            self.emit("mov64_x", dst, self.register(value.args[0]))
            self.emit("add64_k", dst, imm=value.imm, symbol=value.name)
        else:
            self.emit(f"ldx{bits}", dst, self.register(value.args[0]), value.imm, symbol=value.name)

    def legacy_load(self, value: Value, bits: int) -> None:
        """It takes the context in r6, gives its result in r0, and clobbers registers as a call does."""
        index = [self.register(one) for one in value.args]
        self.emit("mov64_x", R6, self.context)
        self.emit(f"ldind{bits}" if index else f"ldabs{bits}", src=index[0] if index else 0, imm=value.imm)
        self.emit("mov64_x", self.register(value), R0)

    def atomic(self, value: Value, base: Reg, off: int) -> None:
        """An atomic operation, and the old value where it gives that."""
        operand, result = self.register(value.args[-1]), self.register(value)
        if value.op.startswith("atomic_cmpxchg"):
            self.emit("mov64_x", R0, self.register(value.args[1]))
            self.emit(value.op, base, operand, off)
            self.emit("mov64_x", result, R0)
        elif value.op.startswith(("atomic_fetch", "atomic_xchg")):
            self.emit("mov64_x", result, operand)
            self.emit(value.op, base, result, off)
        else:
            self.emit(value.op, base, operand, off)

    def forget(self, value: Value) -> None:
        """The operand plus the difference of a pointer and itself, which the kernel's verifier does not compute."""
        dst, operand = self.register(value), value.args[0]
        self.emit("mov64_x", dst, R10)
        self.emit("sub64_x", dst, R10)
        number = immediate(operand.imm) if operand.op == "const" else None
        if number is None:
            self.emit("add64_x", dst, self.register(operand))
        elif number:
            self.emit("add64_k", dst, imm=number)

    def unary(self, value: Value) -> None:
        dst, operand, name = self.register(value), self.register(value.args[0]), value.op
        if self.target.cpu >= 4 and name in SIGNED_MOVES:
            self.emit(SIGNED_MOVES[name], dst, operand)
        elif self.target.cpu >= 3 and name == "zext32":
            self.emit("mov32_x", dst, operand)
        else:
            self.emit("mov64_x", dst, operand)
            UNARY[name](self, dst)

    def low_half(self, value: Value, insn: str) -> None:
        """An operation in 32 bits, whose upper half is then 0, or what would only clear that."""
        a, *rest = value.args
        if IR_OPS[value.op].commutes and a.op == "const" and value in self.halves:
            a, rest = rest[0], [a]
        dst, first = self.register(value), self.register(a)
        if value not in self.halves:
            self.emit("mov64_x", dst, first)
        elif not rest:
            self.emit("mov64_x", dst, first)
            self.emit("neg32", dst)
        elif rest[0].op == "const":
            self.emit("mov64_x", dst, first)
            self.emit(f"{insn}32_k", dst, imm=signed(rest[0].imm, 32))
        else:
            second = self.register(rest[0])
            self.emit("mov64_x", dst, first)
            self.emit(f"{insn}32_x", dst, second)

    def arithmetic(self, value: Value, insn: str) -> None:
        a, b = value.args
        if IR_OPS[value.op].commutes and a.op == "const":
            a, b = b, a
        dst = self.register(value)
        number = immediate(b.imm) if b.op == "const" else None
        if insn in ("lsh", "rsh", "arsh") and b.op == "const":
            number = b.imm & 63
        if insn in ("div", "mod", "sdiv", "smod") and number is not None and number <= 0:
            number = None  # the kernel refuses an immediate 0, and would extend a negative one
        if insn == "and" and b.op == "const" and b.imm == M32 and self.target.cpu >= 3:
            self.emit("mov32_x", dst, self.register(a))
            return
        if number is not None:
            self.emit("mov64_x", dst, self.register(a))
            self.emit(f"{insn}64_k", dst, imm=number)
        else:
            first, second = self.register(a), self.register(b)
            self.emit("mov64_x", dst, first)
            self.emit(f"{insn}64_x", dst, second)

    def address(self, base: Value, off: int) -> tuple[Reg, int]:
        """A base register and an offset that fits its 16 bits."""
        known = self.frame_offset(base)
        if known is not None:
            return R10, known + off
        if -(1 << 15) <= off < 1 << 15:
            return self.register(base), off
        moved = self.out.new()
        self.emit("mov64_x", moved, self.register(base))
        self.emit("add64_k", moved, imm=off)
        return moved, 0

    def store(self, value: Value, bits: int) -> None:
        pointer, what = value.args
        base, off = self.address(pointer, value.imm)
        if pointer.type == Ptr("ctx"):  # which takes immediates since 6.4 only
            self.emit(f"stx{bits}", base, self.register(what), off)
        elif bits == 64 and what.op == "const" and what.imm and base == R10 and not self.target.may_goto:
            # Verifiers before 6.3 take the eight bytes for a spilled register, also where a store at an unknown place
            # has changed a part of them, and refuse to load another part: "invalid size of register fill".
            self.emit("st32", base, off=off, imm=signed(what.imm, 32))
            self.emit("st32", base, off=off + 4, imm=signed(what.imm >> 32, 32))
        else:
            self.put(bits, base, off, what)

    def put(self, bits: int, base: Reg, off: int, what: Value) -> None:
        """Store the low `bits` bits of `what`."""
        number = None
        if what.op == "const":
            number = signed(what.imm, bits) if bits <= 32 else immediate(what.imm)
        if number is not None:
            self.emit(f"st{bits}", base, off=off, imm=number)
        else:
            self.emit(f"stx{bits}", base, self.register(what), off)

    def call(self, value: Value) -> None:
        """A helper, a kernel function or a subprogram, its arguments in r1 and on, its result in r0."""
        for register, argument in enumerate(value.args, R1):
            if argument.op == "const":
                self.constant(register, argument.imm)
            elif argument.op in ("map", "function") or self.frame_offset(argument) is not None:
                self.place(register, argument)
            else:
                self.emit("mov64_x", register, self.register(argument))
        if value.op == "helper":
            self.emit("call", src=len(value.args), imm=HELPERS[value.name].id)
        elif value.op == "kfunc":
            self.emit("call_kfunc", src=len(value.args), symbol=value.name)
        else:
            self.emit("call_local", src=len(value.args), symbol=value.name)
        self.emit("mov64_x", self.register(value), R0)

    def map_call(self, helper: str, value: Value) -> None:
        """A map helper: key and value go through the stack, results come in r0."""
        owner, key, *rest = value.args
        spec = self.function.maps[owner.name]
        if self._key is None:
            self._key = self.out.slot(8, "key of a map")
        self.put(8 * spec.key_size, R10, self._key, key)
        if rest:
            if self._value is None:
                self._value = self.out.slot(8, "value for a map")
            self.put(8 * spec.value_size, R10, self._value, rest[0])
            self.emit("mov64_x", R3, R10)
            self.emit("add64_k", R3, imm=self._value)
            self.emit("mov64_k", R4, imm=0)
        self.emit("mov64_x", R2, R10)
        self.emit("add64_k", R2, imm=self._key)
        self.emit("lddw_map", R1, symbol=owner.name)
        self.emit("call", src=len(HELPERS[helper].args), imm=HELPERS[helper].id)
        self.emit("mov64_x", self.register(value), R0)

    def lower_end(self, block: Block) -> None:
        end = block.terminator
        if isinstance(end, Goto):
            self.pass_arguments(end.args, end.block)
            self.jump("ja", self.blocks[end.block])
        elif isinstance(end, Branch):
            self.branch(end)
        elif isinstance(end, MayGoto):
            onward, spent = (self.edge(*way) for way in edges(end))
            self.jump("may_goto", spent)
            self.jump("ja", onward)
        elif isinstance(end, Return):
            if end.value.op == "const":
                self.constant(R0, end.value.imm)
            else:
                self.emit("mov64_x", R0, self.register(end.value))
            self.emit("exit")
        else:
            assert isinstance(end, FaultExit), "every block has a terminator"
            self.fault_exit(end.site)

    def branch(self, end: Branch) -> None:
        ways = [self.edge(*way) for way in edges(end)]
        cond, a, b = end.cond, end.a, end.b
        if a.op == "const" and b.op != "const":
            cond, a, b = MIRRORED[cond], b, a
        if self.target.cpu == 1 and cond in LESS:  # which v1 has not
            cond, a, b = MIRRORED[cond], b, a
        jump = CONDITIONS[cond]
        number = immediate(b.imm) if b.op == "const" else None
        if number is not None:
            self.jump(f"{jump}64_k", ways[0], self.register(a), imm=number)
        elif self.target.cpu >= 3 and b.op == "const" and b.imm <= M32 and cond in UNSIGNED and _is_u32(a):
            self.jump(f"{jump}32_k", ways[0], self.register(a), imm=signed(b.imm, 32))
        else:
            self.jump(f"{jump}64_x", ways[0], self.register(a), self.register(b))
        self.jump("ja", ways[1])

    def edge(self, target: Block, args: list[Value]) -> LirBlock:
        """Where a branch jumps to: the target, or a block between that passes arguments to it."""
        if not args:
            return self.blocks[target]
        depth = min(self.block.depth, self.blocks[target].depth)
        between, here = LirBlock(f"{self.block.name}-{target}", depth=depth), self.block
        self.out.blocks.append(between)
        self.block = between
        self.pass_arguments(args, target)
        self.jump("ja", self.blocks[target])
        self.block = here
        return between

    def pass_arguments(self, args: list[Value], target: Block) -> None:
        """All parameters of `target` get their arguments at once."""
        moves, constants = [], []
        for arg, param in zip(args, target.params, strict=True):
            if arg.op == "const":
                constants.append((self.register(param), arg.imm))
            else:
                moves.append((self.register(param), self.register(arg)))
        for dst, src in sequence(moves, self.out.new):
            self.emit("mov64_x", dst, src)
        for dst, number in constants:
            self.constant(dst, number)

    def fault_exit(self, site: int) -> None:
        if self.record is not None and site != NOTED:
            place = self.out.new()
            self.emit("lddw_map_value", place, symbol=self.record.name)
            self.emit("st32", place, imm=site + 1)
        if self.tail is None:
            self.tail = LirBlock("fault", cold=True)
            self.out.blocks.append(self.tail)
            here, self.block = self.block, self.tail
            if self.function.is_subprogram and not self.function.is_later:
                self.set_status()
            else:
                self.end_by_fault()
            self.block = here
        self.jump("ja", self.tail)

    def end_by_fault(self) -> None:
        """What the hook gives after a fault."""
        if self.function.result_offset is None:
            self.constant(R0, self.function.on_fault)
        else:
            self.constant(R0, self.function.on_fault & M64)
            self.emit("stx64", self.context, R0, off=self.function.result_offset)
            if self.function.on_fault:
                self.constant(R0, 0)
        self.emit("exit")

    def set_status(self) -> None:
        """Return to a caller that looks at the status; that of a global function may be null."""
        status = self.register(self.function.blocks[0].params[-1])
        end = LirBlock("fault-end", cold=True)
        if self.function.is_global:
            self.jump("jeq64_k", end, status, imm=0)
        self.emit("st64", status, imm=1)
        self.jump("ja", end)
        self.out.blocks.append(end)
        self.block = end
        self.constant(R0, 0)
        self.emit("exit")


def immediate(number: int) -> int | None:
    """The signed 32-bit immediate whose sign extension is the 64-bit word `number`, or None."""
    value = signed(number, 64)
    return value if S32_MIN <= value <= S32_MAX else None


def _is_u32(value: Value) -> bool:
    return isinstance(value.type, Word) and value.type.range.within(of_bits(32, False))


def _extend(bits: int) -> Callable[[_Selector, Reg], None]:
    def lower(to: _Selector, dst: Reg) -> None:
        to.emit("lsh64_k", dst, imm=64 - bits)
        to.emit("arsh64_k", dst, imm=64 - bits)

    return lower


def _high_bits_out(to: _Selector, dst: Reg) -> None:
    to.emit("lsh64_k", dst, imm=32)
    to.emit("rsh64_k", dst, imm=32)


def _one(op: str, imm: int = 0) -> Callable[[_Selector, Reg], None]:
    return lambda to, dst: to.emit(op, dst, imm=imm)


# What is done to a copy of the operand.
UNARY: Mapping[str, Callable[[_Selector, Reg], None]] = {
    "neg": _one("neg64"),
    "zext8": _one("and64_k", 0xFF),
    "zext16": _one("and64_k", 0xFFFF),
    "zext32": _high_bits_out,
    "sext8": _extend(8),
    "sext16": _extend(16),
    "sext32": _extend(32),
    "bswap16": _one("be16"),
    "bswap32": _one("be32"),
    "bswap64": _one("be64"),
}
