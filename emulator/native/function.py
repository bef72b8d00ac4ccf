"""One function of a program as LLVM IR.

    define internal fastcc i64 @f0(i64 %a1, ..., i64 %a5, i64 %d, ptr noalias %st)

d: depth of the frame. st: the state (state.py). Registers are stack slots that LLVM turns into values; `n` counts
instructions, exactly (counts.py). A callback that fails sets the state's trap, and every function on the way out
returns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bpfvm.core.bits import M64, mask, signed
from bpfvm.emulator.interp import DEPTH, STACK
from bpfvm.emulator.native import coverage, helpers, loops, memory
from bpfvm.emulator.native.counts import shares
from bpfvm.emulator.native.state import CALLBACKS, INDEX, OVER, TOO_DEEP
from bpfvm.emulator.native.words import VALUES, compared, constant, swapped
from bpfvm.emulator.portable.kinds import ADDRESS, ARGUMENTS, Kind, State, stem_of
from bpfvm.emulator.portable.origins import arguments
from bpfvm.emulator.portable.translate import ACCESSES, STILL, calls_functions
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind as Does
from bpfvm.lang.faults import RECORD
from bpfvm.tables.ctx.packets import SK_BUFF
from bpfvm.tables.helpers import BY_ID
from bpfvm.tables.helpers import BY_NAME as HELPERS

if TYPE_CHECKING:
    from bpfvm.emulator.native.translate import Unit

TAIL_CALL = HELPERS["tail_call"].id
SOCKET = next(one.offset for one in SK_BUFF.fields if one.name == "sk")
ENDS = (Does.JUMP, Does.GOTO, Does.EXIT, Does.MAY_GOTO)
FRAME = Kind("stack", ADDRESS, 0)
NEVER = "!prof !0"  # of a branch whose first way is hardly ever taken


class Function:
    """One function on its way to text. order: its blocks, in reverse postorder."""

    def __init__(self, unit: Unit, number: int, order: Sequence[int]) -> None:
        self.unit, self._number, self.order = unit, number, order
        self.function = unit.graph.functions[number]
        self.text: list[str] = []
        self._temporaries = 0
        self.label = "entry"  # of the LLVM block that is written
        place = {block: index for index, block in enumerate(order)}
        edges = [(block, edge.to) for block in order for edge in unit.graph.blocks[block].edges]
        self._heads = {to for block, to in edges if place[to] <= place[block]}
        self._counted = {one.header: one for one in loops.counted(unit, order)} if self._heads and unit.tests else {}
        self._labels: dict[int, str] = {}  # of blocks that have another one than their own, in what is written now
        self._shares = shares(unit.graph, order)
        self._share = self._slot = self._count = self._written = self._helper = 0
        self._fields: dict[str, str] = {}  # words of the state that are used -> the names of their addresses
        touched = (one.op.kind in (*ACCESSES, Does.PACKET) for one in unit.insns_of(self.function))
        self._bounds = memory.BOUNDS if any(touched) else ()

    # text

    def line(self, text: str) -> None:
        self.text.append(f"  {text}")

    def emit(self, text: str) -> str:
        """Append an instruction with a result; its name."""
        self._temporaries += 1
        name = f"%t{self._temporaries}"
        self.text.append(f"  {name} = {text}")
        return name

    def new_label(self, name: str) -> str:
        self._temporaries += 1
        return f"{name}{self._temporaries}"

    def begin(self, label: str) -> None:
        self.text.append(f"{label}:")
        self.label = label

    def read(self, register: int) -> str:
        """The value of a register, an i64."""
        return "%r10" if register == 10 else self.emit(f"load i64, ptr %r{register}")

    def write(self, register: int, value: str) -> None:
        self.line(f"store i64 {value}, ptr %r{register}")

    def cut(self, word: str, bits: int) -> str:
        """The low bits of an i64."""
        return word if bits == 64 else self.emit(f"trunc i64 {word} to i{bits}")

    def widen(self, value: str, bits: int, how: str = "zext") -> str:
        return value if bits == 64 else self.emit(f"{how} i{bits} {value} to i64")

    def field(self, name: str) -> str:
        """The address of a word of the state."""
        self.unit.words.add(name)
        return self._fields.setdefault(name, f"%at_{name}")

    def get(self, name: str, kind: str = "i64") -> str:
        return self.emit(f"load {kind}, ptr {self.field(name)}")

    def put(self, name: str, value: str) -> None:
        self.line(f"store i64 {value}, ptr {self.field(name)}")

    def count(self, what: int, slot: int, more: str = "1") -> None:
        """Count on, where the code is covered."""
        counters = self.unit.counters
        if counters is not None:
            at = self.emit(f"getelementptr i64, ptr %st, i64 {len(INDEX) + counters.place(what, slot)}")
            before = self.emit(f"load i64, ptr {at}")
            self.line(f"store i64 {self.emit(f'add i64 {before}, {more}')}, ptr {at}")

    # the function

    def write_all(self) -> list[str]:
        """The text of the definition."""
        passed = ", ".join(f"i64 %a{register}" for register in ARGUMENTS)
        head = [f"define internal fastcc i64 @f{self.function.slot}({passed}, i64 %d, ptr noalias %st) {{", "entry:"]
        self._enter()
        self.line(f"br label %b{self.function.blocks.start}")
        inside = {block: one.header for one in self._counted.values() for block in one.blocks}
        for block in self.order:
            self._labels = {inside[block]: f"tested{inside[block]}"} if block in inside else {}
            if block in self._counted:
                self._enter_counted(self._counted[block])
            self._block(block)
        for one in self._counted.values():
            self._labels = {block: f"counted{block}" for block in one.blocks}
            for block in one.blocks:
                self._block(block, tested=False)
        fields = [f"  {at} = getelementptr i64, ptr %st, i64 {INDEX[name]}" for name, at in self._fields.items()]
        return [*head, *fields, *self.text, "}"]

    def _enter(self) -> None:
        for register in range(10):
            self.line(f"%r{register} = alloca i64")
            self.write(register, f"%a{register}" if register in ARGUMENTS else "0")
        for name in ("n", "limit", *self._bounds):
            self.line(f"%{name} = alloca i64")
        self.line("store i64 0, ptr %n")
        deep = self.emit(f"icmp uge i64 %d, {DEPTH}")
        self.line(f"br i1 {deep}, label %deep, label %start, {NEVER}")
        self.begin("deep")
        self.put("depth", "%d")
        self.put("trap", str(TOO_DEEP))
        self.line("ret i64 0")
        self.begin("start")
        self.line(f"%base = load ptr, ptr {self.field('base')}")
        self.line(f"%pages = load ptr, ptr {self.field('pages')}")
        self._enter_stack()
        self._refresh()
        self._check_budget(self.function.slot)

    def _enter_stack(self) -> None:
        insns = self.unit.insns_of(self.function)
        if not any(10 in (one.src, one.dst) for one in insns if {"src", "dst"} & one.op.uses):
            self.line("%r10 = add i64 0, 0")
            return
        at = self.emit(f"add i64 %d, {INDEX['top0']}")
        self.line(f"%topp = getelementptr i64, ptr %st, i64 {at}")
        self.line("%r10 = load i64, ptr %topp")
        lowest, highest = self.unit.poisoned[self.function.slot]
        if lowest == highest:
            return
        at = self.emit(f"add i64 %d, {INDEX['poison0']}")
        source = self.emit(f"load ptr, ptr {self.emit(f'getelementptr i64, ptr %st, i64 {at}')}")
        source = self.emit(f"getelementptr i8, ptr {source}, i64 {STACK + lowest}")
        size = highest - lowest
        goal = memory.host(self, FRAME, "%r10", lowest, size)
        self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {goal}, ptr {source}, i64 {size}, i1 false)")

    def _refresh(self) -> None:
        """Read again what a call may have changed: the rest of the budget, the bounds of packet and context."""
        if self.unit.tests:
            rest = self.emit(f"sub i64 {self.get('left')}, {self.get('executed')}")
            self.line(f"store i64 {rest}, ptr %limit")
        for name in self._bounds:
            self.line(f"store i64 {self.get(name)}, ptr %{name}")

    def _enter_counted(self, loop: loops.Counted) -> None:
        """Where a loop is entered: go round it without tests of the budget, if it is left after all turns."""
        self.begin(f"b{loop.header}")
        self._share = self._shares[loop.header]
        enough = loops.fits(self, loop)
        self.line(f"br i1 {enough}, label %counted{loop.header}, label %tested{loop.header}, {memory.LIKELY}")

    def _label(self, block: int) -> str:
        return self._labels.get(block, f"b{block}")

    def _block(self, number: int, tested: bool = True) -> None:
        """tested: whether the budget is, at the head of a loop."""
        one = self.unit.graph.blocks[number]
        self._share = self._shares[number]
        self.begin(self._label(number))
        if tested and number in self._heads:
            self._check_budget(one.start)
        if number in self._heads:
            self._separate()
        self.count(coverage.ENTERED, one.start)
        state = self.unit.facts.before[number].copy()
        insns, at = self.unit.program.insns, self.unit.at
        ends = insns[one.last - 1].op.kind in ENDS
        for place in range(one.first, one.last - ends):
            self._slot, self._count = at[place], place - one.first + 1
            before = state.copy()
            self.unit.analysis.step(state, insns[place], at[place])
            self._insn(before, insns[place])
        size = one.last - one.first
        self._slot, self._count = at[one.last - 1], size
        if ends and insns[one.last - 1].op.kind is Does.EXIT:
            self._tell_exit()
            self._leave("0" if state.regs[0].tag in ("none", "maybe") else self.read(0))
            return
        goals = {edge.way.name: edge.to for edge in one.edges}
        if len(goals) < 2:
            self._go(next(iter(goals.values())))
            return
        taken = self._taken(insns[one.last - 1])
        if self.unit.counters is not None:
            self.count(coverage.TAKEN, self._slot, self.emit(f"zext i1 {taken} to i64"))
        forward = ", !prof !2" if goals["JUMP"] > number else ""
        adding = {way: self.new_label("way") for way, to in goals.items() if self._more(to)}
        yes, no = (adding.get(way) or self._label(goals[way]) for way in ("JUMP", "FALL"))
        self.line(f"br i1 {taken}, label %{yes}, label %{no}{forward}")
        for way, label in adding.items():
            self.begin(label)
            self._go(goals[way])

    def _separate(self) -> None:
        """Begin an LLVM block for what a loop's head does: values that come round it (phi) have one to themselves.

        LLVM without optimisation (FastISel, seen in 19 and 22) takes a store for the user of the load before it where
        that load's value comes to it in the next turn, and then loads behind the store.
        """
        inner = self.new_label("inner")
        self.line(f"br label %{inner}")
        self.begin(inner)

    def _more(self, to: int) -> int:
        """What is to be counted on the way from the end of the block that is written to another one."""
        return self._share + self._count - self._shares[to] if self.unit.counts else 0

    def _go(self, to: int) -> None:
        """Go on in another block."""
        more = self._more(to)
        if more:
            self.line(f"store i64 {self._plus_count(more)}, ptr %n")
        self.line(f"br label %{self._label(to)}")

    def _check_budget(self, slot: int) -> None:
        if not self.unit.tests:
            return
        over = self.emit(f"icmp sge i64 {self.so_far(0)}, {self.emit('load i64, ptr %limit')}")
        stop, on = self.new_label("over"), self.new_label("on")
        self.line(f"br i1 {over}, label %{stop}, label %{on}, {NEVER}")
        self.begin(stop)
        self.put("trap", str(OVER))
        self._slot, self._count = slot, 0
        self._trap()
        self.begin(on)

    def _spent(self) -> str:
        """Instructions executed in this function, this one included."""
        return self.so_far(self._count) if self.unit.counts else "0"

    def so_far(self, more: int) -> str:
        """Instructions executed in this function where its block begins, and `more`."""
        return self._plus_count(self._share + more)

    def _plus_count(self, more: int) -> str:
        counted = self.emit("load i64, ptr %n")
        return self.emit(f"add i64 {counted}, {more}") if more else counted

    def _settle(self) -> None:
        """Count what was executed here in the state, before a call of functions that go on counting there."""
        if self.unit.counts:
            self.put("executed", self.emit(f"add i64 {self.get('executed')}, {self._spent()}"))
            self.line(f"store i64 {-self._share - self._count}, ptr %n")

    def _leave(self, value: str) -> None:
        if self.unit.counts:
            self.put("executed", self.emit(f"add i64 {self.get('executed')}, {self._spent()}"))
        self.line(f"ret i64 {value}")

    def _tell_exit(self) -> None:
        """Tell who called, where that is covered, which exit this is."""
        counters = self.unit.counters
        if counters is not None:
            known = coverage.exits(self.unit.graph, counters.program, self._number)
            bit = known.index(self._slot) if self._slot in known else coverage.LAST_EXIT
            self.put("exit", str(min(bit, coverage.LAST_EXIT)))

    def _note_exit(self) -> None:
        """Note at a call by which exit the function came back."""
        counters = self.unit.counters
        if counters is not None:
            place = len(INDEX) + counters.place(coverage.CAME_BACK, self._slot)
            at = self.emit(f"getelementptr i64, ptr %st, i64 {place}")
            known, told = self.emit(f"load i64, ptr {at}"), self.get("exit")
            bit = self.emit(f"shl i64 1, {self.emit(f'and i64 {told}, 63')}")
            self.line(f"store i64 {self.emit(f'or i64 {known}, {bit}')}, ptr {at}")

    def _trap(self) -> None:
        """Leave after a trap at this instruction."""
        if self._count:
            self.count(coverage.STOPPED, self._slot)
        self.line(f"call void @trap(ptr %st, i64 {self._slot}, i64 {self._spent()})")
        self.line("ret i64 0")

    def check_trap(self) -> None:
        """Leave if what was called has failed."""
        failed = self.emit(f"icmp ne i64 {self.get('trap')}, 0")
        stop, on = self.new_label("trap"), self.new_label("on")
        self.line(f"br i1 {failed}, label %{stop}, label %{on}, {NEVER}")
        self.begin(stop)
        self._trap()
        self.begin(on)

    def callback(self, name: str, *words: str) -> str:
        """Call Python: the word that it gives."""
        assert len(words) == CALLBACKS[name], name
        self.unit.asked.add(name)
        passed = ", ".join(["ptr %st", *(f"i64 {word}" for word in words)])
        result = self.emit(f"call i64 {self.get(name, 'ptr')}({passed})")
        self.check_trap()
        return result

    def ask(self, call: str, unless: int) -> None:
        """Set r0 to what a call gives, or where that is `unless` to what Python gives of this helper's call."""
        result = self.emit(call)
        if self.unit.threads:  # where nothing has to be asked
            self.write(0, result)
            return
        asked, on = self.new_label("ask"), self.new_label("on")
        here = self.label
        self.line(f"br i1 {self.emit(f'icmp eq i64 {result}, {unless}')}, label %{asked}, label %{on}, {NEVER}")
        self.begin(asked)
        self.put("depth", "%d")
        self.put("slot", str(self._slot))
        given = [self.read(register) if self._written >> place & 1 else "0" for place, register in enumerate(ARGUMENTS)]
        told = self.callback("helper", str(self._helper), str(self._written), *given)
        behind = self.label
        self.line(f"br label %{on}")
        self.begin(on)
        self.write(0, self.emit(f"phi i64 [ {result}, %{here} ], [ {told}, %{behind} ]"))

    def _taken(self, insn: Insn) -> str:
        """The i1 of a jump."""
        if insn.op.kind is Does.MAY_GOTO:
            left = self.emit(f"sub i64 {self.get('patience')}, 1")
            self.put("patience", left)
            return self.emit(f"icmp slt i64 {left}, 0")
        bits = insn.op.bits
        src = self._operand(insn)
        return compared(self.emit, stem_of(insn), self.cut(self.read(insn.dst), bits), src, bits)

    def _operand(self, insn: Insn) -> str:
        bits = insn.op.bits
        return constant(insn.imm, bits) if insn.op.operand == "imm" else self.cut(self.read(insn.src), bits)

    def _insn(self, state: State, insn: Insn) -> None:
        HANDLERS[insn.op.kind](self, state, insn)

    def _alu(self, state: State, insn: Insn) -> None:
        op, stem, bits = insn.op, stem_of(insn), insn.op.bits
        if stem in ("le", "be", "bswap"):
            word = swapped(self.emit, self.read(insn.dst), op.imm_is or bits, stem != "le")
        elif stem == "movs":
            width = op.off_is or bits
            low = self.cut(self.read(insn.src), width)
            word = self.widen(low if width == bits else self.emit(f"sext i{width} {low} to i{bits}"), bits)
        else:
            src = "0" if stem == "neg" else self._operand(insn)
            dst = "0" if stem == "mov" else self.cut(self.read(insn.dst), bits)
            value = VALUES[stem](self.emit, dst, src, bits)
            if stem == "mov" and op.operand == "imm":
                value = str(signed(insn.imm & mask(bits), 64))
                bits = 64
            word = self.widen(value, bits)
        self.write(insn.dst, word)

    def _imm64(self, state: State, insn: Insn) -> None:
        if self.unit.threads and insn.symbol == RECORD:
            self.write(insn.dst, self.get("record"))
            return
        self.write(insn.dst, constant(self.unit.constant(self._slot), 64))

    def _load(self, state: State, insn: Insn) -> None:
        base = state.regs[insn.src]
        if insn.op.bits == 64 and base.tag in ("ctx", "num") and SOCKET in (insn.off, insn.off + (base.off or 0)):
            self.unit.sees_socket = True
        value = memory.load(self, state.regs[insn.src], insn)
        if insn.op.kind is Does.LOAD_SX:
            bits = insn.op.bits
            value = self.widen(self.cut(value, bits), bits, "sext")
        elif insn.op.bits == 64:  # in mode `safe` a wild access may have changed the slot: its bound is made to hold
            top = self.unit.analysis.loaded(state, insn).top if insn.op.kind is Does.LOAD else M64
            value = value if top == M64 else self.emit(f"call i64 @llvm.umin.i64(i64 {value}, i64 {top})")
        self.write(insn.dst, value)

    def _store(self, state: State, insn: Insn) -> None:
        stored = constant(insn.imm, 64) if insn.op.operand == "imm" else self.read(insn.src)
        memory.store(self, state.regs[insn.dst], insn, stored)

    def _atomic(self, state: State, insn: Insn) -> None:
        memory.atomic(self, state.regs[insn.dst], insn)

    def _packet(self, state: State, insn: Insn) -> None:
        base = self.read(insn.src) if "src" in insn.op.uses else "0"
        place = self.emit(f"add i64 {base}, {signed(insn.imm, 32)}")
        if self.unit.headers_stay or ("src" not in insn.op.uses and signed(insn.imm, 32) >= 0):
            found = memory.legacy(self, place, insn.op.bits)
        else:
            found = self.callback("packet", place, str(insn.op.bits // 8))
        self.write(0, found)
        outside, on = self.new_label("outside"), self.new_label("on")
        missed = self.emit(f"icmp eq i64 {found}, -1")
        self.line(f"br i1 {missed}, label %{outside}, label %{on}")
        self.begin(outside)
        self.count(coverage.STOPPED, self._slot)
        self._tell_exit()
        self._leave("0")
        self.begin(on)

    def _call(self, state: State, insn: Insn) -> None:
        written = [state.regs[register].tag not in ("none", "maybe") for register in ARGUMENTS]
        given = [self.read(r) if known else "0" for r, known in zip(ARGUMENTS, written, strict=True)]
        if calls_functions(insn):
            self._settle()
        if insn.op.name == "call_local":
            passed = ", ".join(f"i64 {one}" for one in given)
            deeper = self.emit("add i64 %d, 1")
            goal = self._slot + 1 + insn.imm
            self.write(0, self.emit(f"call fastcc i64 @f{goal}({passed}, i64 {deeper}, ptr %st)"))
            self.check_trap()
            self._note_exit()
            self._refresh()
            return
        straying = arguments(state)
        if straying:
            self.unit.origins[self._slot] = straying
        self._helper = insn.imm
        self._written = sum(1 << place for place, one in enumerate(written) if one)
        if insn.op.name == "call" and helpers.in_place(self, state, insn.imm):
            return
        self.put("depth", "%d")
        self.put("slot", str(self._slot))
        known = self._written
        if insn.op.name == "call_kfunc":
            result = self.callback("kfunc", str(self._slot), str(known), *given)
        else:
            row = BY_ID.get(insn.imm)
            self.unit.called.add(row.name if row is not None else str(insn.imm))
            result = self.callback("helper", str(insn.imm), str(known), *given)
        self.write(0, result)
        if insn.op.name == "call" and insn.imm == TAIL_CALL:
            self._tail_call()
        if calls_functions(insn) or insn.imm not in STILL:
            self._refresh()

    def _tail_call(self) -> None:
        """Go on with another program, and leave with what it gives; its budget is what is left here."""
        follow, on = self.new_label("follow"), self.new_label("on")
        taken = self.emit(f"icmp ne i64 {self.get('pending')}, 0")
        self.line(f"br i1 {taken}, label %{follow}, label %{on}")
        self.begin(follow)
        spent = self.emit(f"add i64 {self.get('executed')}, {self._spent()}")
        self.put("left", self.emit(f"sub i64 {self.get('left')}, {spent}"))
        self.put("executed", "0")
        self.line(f"store i64 {-self._share - self._count}, ptr %n")
        result = self.callback("follow", "%d")
        if self.unit.counters is not None:
            self.count(coverage.STOPPED, self._slot)
            self.put("exit", str(coverage.OTHER))
        self.line(f"ret i64 {result}")
        self.begin(on)


HANDLERS: Mapping[Does, Callable[[Function, State, Insn], None]] = {
    Does.ALU: Function._alu,
    Does.IMM64: Function._imm64,
    Does.LOAD: Function._load,
    Does.LOAD_SX: Function._load,
    Does.LOAD_ACQUIRE: Function._load,
    Does.STORE: Function._store,
    Does.STORE_RELEASE: Function._store,
    Does.ATOMIC: Function._atomic,
    Does.PACKET: Function._packet,
    Does.CALL: Function._call,
}
