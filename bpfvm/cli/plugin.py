"""`bpfvm plugin`: one bare program in, r0 out: the protocol of eBPF conformance runners.

A runner starts a plugin for each of its hundreds of programs, so this module imports what it needs and no more.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from bpfvm.cli import FAULTED
from bpfvm.core.errors import LoadError, VerifierReject
from bpfvm.core.machine import Input, Result
from bpfvm.isa.codec import decode
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine

if TYPE_CHECKING:
    from bpfvm.run.backend import Backend

NAME, BODY, MEMORY, RESULT = "program", "body", "memory", "result"
TYPE = "syscall"  # its context is a plain buffer, and it has no packet that a machine would have to make up
WORD = 8
_SHOWN = 40  # characters of a wrong input that an error shows


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Example: echo "b7 00 00 00 07 00 00 00 95 00 00 00 00 00 00 00" | bpfvm plugin',
)
@click.argument("memory", default="", metavar="[MEMORY]")
@click.option("--engine", "name", default="auto", show_default=True, metavar="NAME", help="auto, interp, kernel …")
@click.option("--json", "as_json", is_flag=True, help='{"engine", "r0", "memory", "insns", "fault"}; hex r0, memory.')
def command(memory: str, name: str, as_json: bool) -> int:
    """Run one program and print r0 in hex.

    The program is its instructions in hex on standard input, little-endian. MEMORY is memory in hex: r1 is its address
    and r2 its length, both 0 without it. Blanks in hex are allowed.
    """
    program = decode(_bytes(sys.stdin.buffer.read().decode("ascii", "replace"), "the program on standard input"))
    if not program:
        raise LoadError("the program on standard input is empty")
    machine = engine(name)
    run = _run_in_kernel if machine.name == "kernel" else _run
    result, after = run(machine, tuple(program), _bytes(memory, "the memory"))
    if as_json:
        click.echo(json.dumps(_document(machine.name, result, after)))
    elif result.fault is None:
        click.echo(f"{result.r0:x}")
    if result.fault is not None:
        click.echo(f"bpfvm: {result.fault}", err=True)
        return FAULTED
    return 0


def _bytes(text: str, what: str) -> bytes:
    plain = "".join(text.split())
    try:
        return bytes.fromhex(plain)
    except ValueError:
        shown = plain if len(plain) <= _SHOWN else plain[:_SHOWN] + "…"
        raise LoadError(f"{what} is {shown!r}, which is not bytes in hex") from None


def _document(name: str, result: Result, after: bytes) -> dict[str, object]:
    fault = result.fault
    return {
        "engine": name,
        "r0": None if fault is not None else f"{result.r0:x}",
        "memory": after.hex(),
        "insns": result.insns,
        "fault": None if fault is None else {"insn": fault.insn, "kind": fault.kind, "message": fault.message},
    }


def _run(machine: Backend, program: tuple[Insn, ...], memory: bytes) -> tuple[Result, bytes]:
    """Run it as it is: memory is the context, r2 is set. Gives the result and memory afterwards."""
    spec = ObjectSpec({NAME: ProgramSpec(NAME, TYPE, TYPE, program, functions=_functions(program, 0))}, {})
    registers = {2: len(memory)} if memory else {1: 0, 2: 0}
    loaded = machine.load(spec, NAME, {})
    try:
        result = loaded.run(Input(ctx=memory, registers=registers))
    finally:
        loaded.close()
    return result, result.ctx or b""


def _run_in_kernel(machine: Backend, program: tuple[Insn, ...], memory: bytes) -> tuple[Result, bytes]:
    """Run it behind an entry function that sets r1 and r2 and stores all of r0.

    Memory is a map's value: to the verifier a context's pointer cannot be moved, and programs move theirs.
    """
    address = insn("lddw_map_value", 1, symbol=MEMORY) if memory else insn("mov64_k", 1)
    entry = (
        address, insn("mov64_k", 2, imm=len(memory)), insn("call_local", imm=5),
        insn("lddw_map_value", 1, symbol=RESULT), insn("stx64", 1, 0), insn("mov64_k", 0), insn("exit"),
    )  # fmt: skip
    start = slots(entry)[-1]
    functions = (FunctionSpec(BODY, start, is_static=True), *_functions(program, start))
    maps = {RESULT: MapSpec(RESULT, "array", 4, WORD, 1)}
    if memory:
        maps[MEMORY] = MapSpec(MEMORY, "array", 4, len(memory), 1)
    spec = ObjectSpec({NAME: ProgramSpec(NAME, TYPE, TYPE, (*entry, *program), functions=functions)}, maps)
    try:
        loaded = machine.load(spec, NAME, {MEMORY: [(bytes(4), memory)]} if memory else {})
    except VerifierReject as error:
        raise VerifierReject(f"{error} (the program begins at instruction {start})", error.log) from None
    try:
        result = loaded.run(Input(ctx=b""))
        stored, after = loaded.read_map(RESULT)[0][1], loaded.read_map(MEMORY)[0][1] if memory else b""
    finally:
        loaded.close()
    assert isinstance(stored, bytes), "an array of one value, not one for each CPU"
    assert isinstance(after, bytes), "an array of one value, not one for each CPU"
    return replace(result, r0=int.from_bytes(stored, sys.byteorder), r0_bits=64), after


def _functions(program: tuple[Insn, ...], start: int) -> tuple[FunctionSpec, ...]:
    """The local functions that `program`, which begins at slot `start`, calls."""
    at = slots(program)
    called = {target_slot(one, slot) for slot, one in zip(at, program, strict=False) if one.op.name == "call_local"}
    places = sorted(slot for slot in called if slot is not None)
    return tuple(FunctionSpec(f"f{slot}", start + slot, is_static=True) for slot in places)
