"""One map, asked by programs and by user space, the same way on every machine: what the tests of map types stand on.

A program does one operation a run, told by its context, of words of 8 bytes:

    0 operation | 8 flags | 16 result | 24 CPU, or the sum of a loop | 32 key, padded | value

User space calls bpf(2) by `kernel.maps.calls.Calls`, or the emulator's `sys_` methods, which answer in the same form.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.emulator.machine import Emulator
from bpfvm.emulator.machine import Loaded as Emulated
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import slots
from bpfvm.kernel import KERNEL
from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.elements import possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.runs.run import LoadedProgram
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import STATIC, Func, FuncProto, Int
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import BY_NAME

LOOKUP, UPDATE, DELETE, LOOKUP_CPU, EACH, EACH_DELETES, STALE = range(1, 8)
OPERATIONS = {LOOKUP: "lookup", UPDATE: "update", DELETE: "delete", LOOKUP_CPU: "lookup on a CPU", EACH: "loop",
              EACH_DELETES: "loop that deletes", STALE: "old pointer after an update"}  # fmt: skip
KEY_AT = 32


def padded(size: int) -> int:
    return (size + 7) // 8 * 8


def operations(spec: MapSpec) -> tuple[int, ...]:
    """Those that the verifier loads for the map's type."""
    data = (LOOKUP, UPDATE, DELETE, EACH, EACH_DELETES, STALE)
    return (*data, LOOKUP_CPU) if BY_NAME[spec.type].per_cpu else data


def object_of(spec: MapSpec) -> ObjectSpec:
    """A program of type syscall that does every operation on map m. Key and value sizes are multiples of 4."""
    key, value = padded(spec.key_size), padded(spec.value_size)
    copy = "".join(f"r1 = *(u64 *)(r6 +{KEY_AT + at})\n*(u64 *)(r10 -{key + value - at}) = r1\n"
                   for at in range(0, key + value, 8))  # fmt: skip
    head = f"r6 = r1\n{copy}r7 = *(u64 *)(r6 +0)\nr8 = *(u64 *)(r6 +8)\n"
    place = {"key": -(key + value), "value": -value, "size": spec.value_size, "at": KEY_AT + key}
    show = "".join(f"r1 = *(u32 *)(r0 +{at})\n*(u32 *)(r6 +{place['at'] + at}) = r1\n"
                   for at in range(0, spec.value_size, 4))  # fmt: skip
    arguments = f"r1 = map[m]\nr2 = r10\nr2 += {place['key']}\n"
    update = arguments + f"r3 = r10\nr3 += {place['value']}\nr4 = r8\ncall 2\n"
    found = f"r1 = 0\nif r0 == 0 goto none\n{show}r1 = 1\nnone: r0 = r1\ngoto out\n"
    loop = f"*(u64 *)(r10 -{key + value + 8}) = 7\nr1 = map[m]\nr2 = func {{}}\nr3 = r10\nr3 += -{key + value + 8}\n"
    loop += f"r4 = r8\ncall 164\nr1 = *(u64 *)(r10 -{key + value + 8})\n*(u64 *)(r6 +24) = r1\ngoto out\n"
    sections = {
        LOOKUP: arguments + "call 1\ngoto found\n",
        UPDATE: update + "goto out\n",
        DELETE: arguments + "call 3\ngoto out\n",
        LOOKUP_CPU: arguments + "r3 = *(u64 *)(r6 +24)\ncall 195\ngoto found\n",
        EACH: loop.format("sum"),
        EACH_DELETES: loop.format("drop"),
        STALE: arguments + "call 1\nif r0 == 0 goto missing\nr9 = r0\n" + update
        + "r0 = r9\ngoto found\nmissing: r0 = 2\ngoto out\n",
    }  # fmt: skip
    chosen = operations(spec)
    body = "".join(f"if r7 == {number} goto op{number}\n" for number in chosen) + "r0 = 0\ngoto out\n"
    body += "".join(f"op{number}: {sections[number]}" for number in chosen)
    fold = "r5 = *(u64 *)(r4 +0)\nr5 *= 31\nr0 = *(u32 *)(r2 +0)\nr5 += r0\nr5 *= 31\nr0 = *(u32 *)(r3 +0)\nr5 += r0\n"
    fold += "*(u64 *)(r4 +0) = r5\n"
    text = f"{head}{body}found: {found}out: *(u64 *)(r6 +16) = r0\nr0 = 0\nexit\n"
    # a loop ends at the first key whose low byte is 250
    text += f"sum: {fold}r1 = *(u8 *)(r2 +0)\nr0 = 0\nif r1 != 250 goto on\nr0 = 1\non: exit\n"
    text += f"drop: {fold}call 3\nr0 = 0\nexit\n"
    insns = tuple(assemble(text))
    exits = [slot for slot, one in zip(slots(insns), insns, strict=False) if one.op.name == "exit"]
    functions = (FunctionSpec("sum", exits[0] + 1, True), FunctionSpec("drop", exits[1] + 1, True))
    program = ProgramSpec("p", "syscall", "syscall", insns, functions=functions)
    return ObjectSpec({"p": program}, {"m": spec}, _types())


def _types() -> Btf:
    number, proto = Int("int", 4, 32, is_signed=True), FuncProto(1, (("a", 1), ("b", 1), ("c", 1), ("d", 1)))
    return Btf([number, proto, Func("p", 2), Func("sum", 2, STATIC), Func("drop", 2, STATIC)])


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of a program. cpu: of a lookup on another CPU."""

    operation: int
    key: bytes
    value: bytes
    flags: int = 0
    cpu: int = 0

    def __str__(self) -> str:
        return f"{OPERATIONS[self.operation]} {self.key.hex()} {self.value.hex()} flags {self.flags:#x} cpu {self.cpu}"


class Programs:
    """The program on one machine."""

    def __init__(self, loaded: Emulated | LoadedProgram, spec: MapSpec) -> None:
        self.loaded, self._spec = loaded, spec

    def __call__(self, call: Call, cpu: int = 0) -> tuple[int, int, bytes]:
        """Result, sum of a loop, value."""
        given = b"".join(number.to_bytes(8, "little") for number in (call.operation, call.flags, 0, call.cpu))
        key, value = padded(self._spec.key_size), padded(self._spec.value_size)
        given += call.key.ljust(key, b"\0") + call.value.ljust(value, b"\0")
        if isinstance(self.loaded, LoadedProgram):
            os.sched_setaffinity(0, {cpu})  # for what user space does next
        result = self.loaded.run(Input(ctx=given, cpu=cpu))
        assert result.fault is None, result.fault
        assert result.ctx is not None
        words = [int.from_bytes(result.ctx[at : at + 8], "little") for at in (16, 24)]
        return words[0], words[1], result.ctx[KEY_AT + key :]

    def close(self) -> None:
        self.loaded.close()


def in_kernel(spec: MapSpec) -> tuple[Programs, Calls]:
    loaded = KERNEL.load(object_of(spec), "p", {})
    return Programs(loaded, spec), Calls(loaded.map("m"))


def emulated(spec: MapSpec, tier: str = "interp") -> Programs:
    """Its user space is `.loaded.system.maps["m"]`. As many CPUs as the kernel has."""
    return Programs(Emulator(tier, cpus=possible_cpus()).load(object_of(spec), "p", {}), spec)


def refused(spec: MapSpec) -> bool:
    """Whether the kernel makes no such map."""
    try:
        KernelMap(spec).close()
    except BpfvmError:
        return True
    return False
