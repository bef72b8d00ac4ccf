"""Branches, loops and jumps of a random program.

A branch goes around actions or chooses between two runs of them. A loop counts in a register of its own by constants,
so that it ends after a few rounds by the table's own arithmetic, and a verifier can follow it. May_goto falls through:
it is taken after so many rounds or so much time that no test waits for it.
"""

from __future__ import annotations

from bpfvm.core.bits import M32, M64
from bpfvm.fuzz import edges
from bpfvm.fuzz.body import R0, Body
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME, Op, alu, taken

_MOST_JUMPS = 14  # branches and loops of a program: a verifier goes all ways
_MOST_ROUNDS = 6
_STEPS = ("add64_k", "sub64_k", "add32_k", "sub32_k", "lsh64_k", "rsh64_k", "rsh32_k", "arsh64_k", "xor64_k")


def branch(body: Body, op: Op) -> bool:
    """The row as a forward branch, or as the end of a loop."""
    if body.code.jumps >= _MOST_JUMPS:
        return False
    body.code.jumps += 1
    if body.rng.random() < 0.2 and body.loops == 0 and loop(body, op):
        return True
    one = condition(body, op)
    over = body.code.label()
    body.code.emit(one, over)
    _inside(body)
    if body.rng.random() < 0.4:
        end = body.code.label()
        goto(body, end)
        body.code.place(over)
        _inside(body)
        body.code.place(end)
    else:
        body.code.place(over)
    return True


def condition(body: Body, op: Op) -> Insn:
    """The row on registers that often hold what it asks for."""
    rng, dst = body.rng, body.register()
    if "src" in op.uses:
        src = body.source(dst)
        choice = rng.random()
        if choice < 0.2:
            body.emit(f"mov{op.bits}_x", dst, src)
        elif choice < 0.3:
            body.emit("mov32_x", dst, src)
        elif choice < 0.4:
            body.emit("add64_k", dst, imm=rng.choice((-1, 1)))
        return Insn(op, dst, src)
    imm = edges.operand(rng, op)
    if rng.random() < 0.6:
        at = body.data_offset(8)
        near = imm + rng.choice((0, 0, 0, -1, 1))
        upper = edges.number(rng) & ~M32 if op.bits == 32 else near & M64 & ~M32
        body.code.planted[at] = upper | near & M32
        body.emit("ldx64", dst, body.home, at)
    return Insn(op, dst, 0, 0, imm)


def loop(body: Body, op: Op) -> bool:
    """The row as the jump back of a loop; False where no counting that ends soon was found for it."""
    rng = body.rng
    limit = body.register() if "src" in op.uses else None
    if len(body.free) < 6:
        return False
    counter = body.register(without=() if limit is None else (limit,))
    found = _counting(body, op)
    if found is None:
        return False
    start, step, operand = found
    body.emit("lddw", counter, imm=start)
    kept = {counter}
    if limit is not None:
        body.emit("lddw", limit, imm=operand & M64)
        kept.add(limit)
    kept -= body.locked
    body.locked |= kept
    body.loops += 1
    top, out = body.code.label(), body.code.label()
    body.code.place(top)
    if rng.random() < 0.3:
        body.code.emit(insn("may_goto"), out)
    _inside(body)
    body.code.emit(Insn(step.op, counter, 0, 0, step.imm))
    body.code.emit(Insn(op, counter, limit or 0, 0, 0 if limit is not None else operand), top)
    body.code.place(out)
    body.loops -= 1
    body.locked -= kept
    body.maybe_log(counter)
    return True


def _counting(body: Body, op: Op) -> tuple[int, Insn, int] | None:
    """Start, step and operand with which the row, jumping back, ends a loop after 1 to 6 rounds."""
    for _ in range(30):
        step_op = BY_NAME[body.rng.choice(_STEPS)]
        start, operand = edges.number(body.rng), edges.operand(body.rng, op)
        if body.rng.random() < 0.7:
            start = (operand + body.rng.randint(-4, 4)) & M64
        step = Insn(step_op, 0, 0, 0, edges.operand(body.rng, step_op))
        if body.rng.random() < 0.5:
            step = Insn(step_op, 0, 0, 0, 1)
        value, rounds = start, 0
        while rounds <= _MOST_ROUNDS:
            rounds += 1
            value = alu(step_op, value, step.imm & M64)
            if not taken(op, value, operand & M64):
                break
        if 2 <= rounds <= _MOST_ROUNDS or (rounds == 1 and body.rng.random() < 0.1):
            return start, step, operand
    return None


def goto(body: Body, label: int) -> None:
    """An unconditional jump of either reach."""
    body.code.emit(insn(body.rng.choice(("ja", "gotol"))), label)


def jump_about(body: Body, op: Op) -> bool:
    """Pieces of code in another order than that in which they run: jumps forward and back without a loop."""
    count = body.rng.randrange(1, 4)
    order = list(range(count))
    body.rng.shuffle(order)
    labels = [body.code.label() for _ in range(count + 1)]
    body.code.emit(Insn(op), labels[0])
    for piece in order:
        body.code.place(labels[piece])
        _inside(body)
        body.code.emit(Insn(op), labels[piece + 1])
    body.code.place(labels[count])
    return True


def may_goto(body: Body, op: Op) -> bool:
    """A may_goto over actions; it falls through."""
    if body.code.jumps >= _MOST_JUMPS:
        return False
    body.code.jumps += 1
    over = body.code.label()
    body.code.emit(Insn(op), over)
    _inside(body)
    body.code.place(over)
    return True


def early_exit(body: Body, op: Op) -> bool:
    """A way out of the function before its end."""
    if body.code.jumps >= _MOST_JUMPS:
        return False
    body.code.jumps += 1
    stay = body.code.label()
    jumps = [row for row in BY_NAME.values() if row.test is not None]
    body.code.emit(condition(body, body.rng.choice(jumps)), stay)
    body.log(R0 if R0 in body.free else body.register())
    if R0 not in body.free:
        body.emit("mov64_k", R0, imm=edges.immediate(body.rng))
    body.leave()
    body.code.place(stay)
    return True


def _inside(body: Body) -> None:
    """One to three actions, one of them written in any case, so that what runs can be seen."""
    body.nesting += 1
    body.code.act(body, body.rng.randrange(4))
    body.nesting -= 1
    dst = body.register()
    body.emit("xor64_k", dst, imm=edges.immediate(body.rng))
