"""Random programs of the instruction table that the kernel's verifier takes, nearly all of them.

A program is a few actions one after the other, each made for one row of the table: arithmetic on any registers, a
branch around other actions, a loop, an access, a call. A row is chosen first, then how to bring it about, so that a new
row of a known kind is met the day it is added; rows that cannot be met here are in LEFT_OUT with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from bpfvm.core.machine import Entries, Input
from bpfvm.fuzz import edges
from bpfvm.fuzz.body import R0, R1, R6, R10, SCRATCH, SIZE, TABLE, VALUE, Body, Callee, Code
from bpfvm.fuzz.branches import branch, early_exit, jump_about, may_goto
from bpfvm.fuzz.calls import call, map_handle
from bpfvm.fuzz.case import Case, make
from bpfvm.fuzz.places import ACCESSES, access
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS, Kind, Op

INPUTS = 2  # of each program
_TYPES = {"syscall": 0.55, "xdp": 0.25, "sched_cls": 0.2}
SHORTEST = 14  # bytes of an XDP frame that the kernel runs (measured on 6.18)
_MOST_FRAMES, _FRAME_BYTES = 8, (24, 32, 48)  # 8 frames of 64 bytes, as JITs round them, fill the 512 of a call chain

Action = Callable[[Body, Op], bool]  # writes something that executes the row, or nothing and False


def _arithmetic(body: Body, op: Op) -> bool:
    dst = body.register()
    src = body.source(dst) if "src" in op.uses else 0
    imm = op.imm_is or 0
    if "imm" in op.uses:
        imm = edges.operand(body.rng, op)
    body.code.emit(Insn(op, dst, src, op.off_is or 0, imm))
    body.maybe_log(dst)
    return True


def _wide(body: Body, op: Op) -> bool:
    if op.name == "lddw":
        dst = body.register()
        body.emit("lddw", dst, imm=edges.number(body.rng))
        body.maybe_log(dst)
        return True
    if op.name == "lddw_map_value":
        return access(body, body.rng.choice(_ACCESS_ROWS))  # its places include the value by address
    return map_handle(body, op)


def _packet_load(body: Body, op: Op) -> bool:
    """Takes the context from the stack to r6, which is where such a load wants it; what calls spoil, it spoils too.

    A load past the packet's end ends the program, so most are inside.
    """
    rng = body.rng
    if not body.code.has_skb or body.level or not body.calls or not (SCRATCH | {R6}).isdisjoint(body.locked):
        return False
    if body.home == R6:
        return False
    inside = rng.randrange(SIZE - 4) if rng.random() < 0.97 else SIZE + rng.randrange(4096)
    if "src" in op.uses:
        offset = body.register(without=(R6,))
        body.emit("and64_k", offset, imm=SIZE // 2 - 1)
        inside = rng.randrange(SIZE // 2 - 4) if inside < SIZE else inside
    else:
        offset = 0
    body.emit("ldx64", R6, R10, body.context)
    body.code.emit(Insn(op, 0, offset, op.off_is or 0, inside))
    for one in sorted({*range(1, R6 + 1)} & set(body.free)):
        body.renumber(one)
    body.maybe_log(R0)
    return True


ACTIONS: Mapping[Kind, Action] = {
    Kind.ALU: _arithmetic,
    Kind.JUMP: branch,
    Kind.GOTO: jump_about,
    Kind.MAY_GOTO: may_goto,
    Kind.CALL: call,
    Kind.EXIT: early_exit,
    Kind.IMM64: _wide,
    Kind.PACKET: _packet_load,
    **ACCESSES,
}

_NO_TABLE = "needs a table of maps, which no machine here takes"
LEFT_OUT: Mapping[str, str] = {
    "callx": "no kernel takes it",
    "gotox": "kernels take it since 6.19, with a table of targets that no object holds",
    "addr_space_cast": "needs an arena map",
    "call_kfunc": "needs a function's id in the kernel's BTF",
    "lddw_btf_id": "needs a variable's id in the kernel's BTF",
    "lddw_func": "needs the program's own BTF, and a helper that calls back",
    "lddw_map_idx": _NO_TABLE,
    "lddw_map_idx_value": _NO_TABLE,
}  # fmt: skip

FUZZED = tuple(op for op in OPS if op.name not in LEFT_OUT)
_ACCESS_ROWS = tuple(op for op in FUZZED if op.kind in ACCESSES)

_KINDS: Mapping[Kind, float] = {
    Kind.JUMP: 0.5,
    Kind.GOTO: 2,
    Kind.MAY_GOTO: 2,
    Kind.CALL: 6,
    Kind.EXIT: 1,
    Kind.PACKET: 9,
}
_WEIGHTS = [_KINDS.get(op.kind, 1.0) for op in FUZZED]
_SIMPLE = tuple(op for op in FUZZED if op.kind in (Kind.ALU, *ACCESSES))


def act(body: Body, count: int) -> None:
    """Write `count` actions, fewer where the function has used up its own."""
    for _ in range(count):
        if body.actions <= 0:
            return
        body.actions -= 1
        rows = _SIMPLE if body.nesting > 2 else FUZZED
        weights = None if body.nesting > 2 else _WEIGHTS
        while True:
            op = body.rng.choices(rows, weights)[0]
            if ACTIONS[op.kind](body, op):
                break


def program(rng: random.Random, name: str) -> Case:
    """A random program with two inputs: syscall (a context), xdp or sched_cls (a packet)."""
    kind = rng.choices(tuple(_TYPES), tuple(_TYPES.values()))[0]
    code = Code(rng, kind, act)
    calls = rng.random() < 0.7
    body = Body(code, 0, rng.randrange(6, R10) if calls else rng.randrange(2, R10), rng.choice(_FRAME_BYTES), calls,
                rng.randrange(8, 28))  # fmt: skip
    over = _guard(body) if code.has_packet else None
    _function(body)
    if over is not None:
        code.place(over)
        body.emit("mov64_k", R0, imm=1)
        body.emit("exit")
    while code.waiting:
        _write(code, code.waiting.pop(0))
    return make(name, kind, code.finish(), _inputs(code), (VALUE, TABLE), _contents(rng))


def _function(body: Body) -> None:
    body.begin()
    act(body, body.actions)
    body.end()


def _write(code: Code, callee: Callee) -> None:
    """A function that something calls."""
    rng = code.rng
    calls = callee.level < _MOST_FRAMES - 1 and rng.random() < 0.7
    home = rng.randrange(6, R10) if calls else rng.randrange(1, R10)
    code.place(callee.label)
    _function(Body(code, callee.level, home, rng.choice(_FRAME_BYTES), calls, rng.randrange(2, 8)))


def _guard(body: Body) -> int:
    """The packet into r1, if it has SIZE bytes; otherwise the program goes to the label."""
    over = body.code.label()
    start, end = (76, 80) if body.code.has_skb else (0, 4)  # data and data_end of __sk_buff and of xdp_md
    if body.code.has_skb:
        body.emit("stx64", R10, R1, body.context)
    body.emit("ldx32", 2, R1, end)
    body.emit("ldx32", R1, R1, start)
    body.emit("mov64_x", 3, R1)
    body.emit("add64_k", 3, imm=SIZE)
    body.code.emit(insn("jgt64_x", 3, 2), over)
    return over


def _inputs(code: Code) -> list[Input]:
    if code.has_packet:
        return [Input(packet=_frame(code)) for _ in range(INPUTS)]
    return [Input(ctx=_given(code, SIZE)) for _ in range(INPUTS)]


def _frame(code: Code) -> bytes:
    """Mostly long enough for the program."""
    rng = code.rng
    if rng.random() < 0.05:
        return edges.memory(rng, rng.randrange(SHORTEST, SIZE))
    return _given(code, SIZE + rng.choice((0, 0, 1, 7, 64)))


def _given(code: Code, size: int) -> bytes:
    """Memory that holds, mostly, the numbers that the program looks for."""
    data = bytearray(edges.memory(code.rng, size))
    for at, number in code.planted.items():
        if code.rng.random() < 0.7:
            data[at : at + 8] = number.to_bytes(8, "little")
    return bytes(data)


def _contents(rng: random.Random) -> dict[str, Entries]:
    return {
        one.name: [(index.to_bytes(4, "little"), edges.memory(rng, one.value_size)) for index in range(one.max_entries)]
        for one in (VALUE, TABLE)
    }
