"""One function in which every row of the IR op table occurs, and that means something when it runs."""

from __future__ import annotations

from bpfvm.compiler.ir.build import WORD, Builder
from bpfvm.compiler.ir.function import CoreAccess, Function
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.compiler.ir.types import Ptr, Value
from bpfvm.lang.types.described import struct_of
from bpfvm.lang.types.kernel import KernelStruct
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import MapSpec

CELL = MapSpec("cell", "array", 4, 8, 1)
ARGUMENTS = 2


def every_op(cpu: int = 4, packet: bool = False, called: bool = False) -> tuple[Function, dict[str, int]]:
    """The function, and the offset in its context at which the result of each pure operation is stored.

    cpu: the level of lang.target whose operations it has. packet: those too that only programs behind an skb may use.
    called: those too that are gone when passes.outline is done.
    """
    function = Function("every", "syscall", "syscall", 0, maps={CELL.name: CELL})
    b = Builder(function)
    ctx = b.ctx()
    words = [b.op("load64", ctx, imm=8 * (i + 1)) for i in range(ARGUMENTS)]
    places: dict[str, int] = {}
    for name, row in IR_OPS.items():
        if row.fold is not None and row.cpu <= cpu:
            places[name] = 8 * (ARGUMENTS + 1 + len(places))
            b.op("store64", ctx, b.op(name, *words[: row.args]), imm=places[name])
    _memory(b, words)
    _calls(b, words)
    _core(b, ctx)
    for bits in (8, 16, 32) if packet else ():
        b.op(f"skb{bits}", imm=12)
        b.op(f"skb{bits}", words[0], imm=14)
    if called:
        called_loop(b, b.const(3))
    owner = b.op("map", type=Ptr("map"), named=CELL.name)
    b.op("update", owner, b.const(0), words[0])
    found = b.op("lookup", owner, b.const(0), type=Ptr("map_value", nullable=True))
    there, missing = b.new_block(), b.new_block()
    b.branch("eq", found, b.const(0), missing, there)
    b.at(there)
    b.op("atomic_add64", found, words[1])
    b.ret(b.const(0))
    b.at(missing)
    b.ret(b.const(1))
    return function, places


def _core(b: Builder, ctx: Value) -> None:
    """What is asked of a kernel's types, where the context may be taken for a struct of its."""
    asked = CoreAccess("field_byte_offset", "sample", ("word",), sample())
    b.function.core[str(asked)] = asked
    b.op("store64", ctx, b.op("core_add", b.op("core", imm=8, named=str(asked)), imm=8, named=str(asked)), imm=8)
    for bits in (8, 16, 32, 64):
        b.op(f"core_load{bits}", ctx, imm=8, named=str(asked))


def sample() -> KernelStruct:
    """A struct with a number at byte 8."""
    btf = Btf()
    word = btf.add_int("unsigned long long", 8)
    return struct_of(btf, btf.add_struct("sample", 16, [("word", word, 8)]))


def _calls(b: Builder, words: list[Value]) -> None:
    """A stack object handed to a helper and to a subprogram, which adds to it."""
    key = b.slot("key", 4, 4)
    b.zero(key)
    b.helper(
        "map_lookup_elem", b.op("map", type=Ptr("map"), named=CELL.name), key, type=Ptr("map_value", nullable=True)
    )
    b.kfunc("bpf_rcu_read_lock")
    b.call(adder(), b.const(1), words[0])
    b.op("function", named="adder")
    b.kfunc("bpf_rcu_read_unlock")
    for one in (words[0], b.const(0), b.const(7), b.const(1 << 40)):
        b.op("forget", one)


def called_loop(b: Builder, turns: Value) -> Value:
    """A loop that bpf_loop makes: the sum of its turns' numbers, twice, and how many there were."""
    head, body, behind = b.new_block(), b.new_block(), b.new_block()
    b.goto(head, b.const(0))
    b.at(head)
    sum = b.param(head, WORD)
    again = b.op("again", turns, named="loop")
    b.branch("ne", again, b.const(0), body, behind)
    b.at(body)
    b.goto(head, b.op("add", sum, b.op("given", again)))
    b.at(behind)
    return b.op("add", b.op("add", sum, sum), b.op("outcome", again))


def adder() -> Function:
    """A subprogram: the sum of its two arguments."""
    function = Function("adder", "syscall", "syscall", 0, is_subprogram=True)
    b = Builder(function)
    one, two = (b.param(b.block, WORD) for _ in range(2))
    b.ret(b.op("add", one, two))
    return function


def _memory(b: Builder, words: list[Value]) -> None:
    """Every access and every atomic operation, on the value of a map of one entry."""
    cell = b.op("map_value", type=Ptr("map_value"), named=CELL.name)
    for bits in (64, 32, 16, 8):
        b.op(f"store{bits}", cell, words[0])
        b.op(f"load{bits}", cell)
    for name in IR_OPS:
        if name.startswith("atomic"):
            b.op(name, cell, *[words[1]] * ((IR_OPS[name].args or 0) - 1))
