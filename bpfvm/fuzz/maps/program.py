"""The program that operates on a map: it walks over an array of operations and does them, one after the other.

An element of the array `ops` is one operation, and takes what came of it. Its bytes:

    0 number of the operation, 0 ends | 8 flags | 16 result | 24 CPU, inner key, or the sum of a loop
    32 key, padded to 8 bytes | value, padded

The callback that does one operation is made for the map's type and sizes: only what the verifier takes is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bpfvm.emulator.maps.operations import HELPERS
from bpfvm.fuzz.maps.operation import MAP, PROGRAM, Answer, Operation, padded
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import slots
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import STATIC, Func, FuncProto, Int, Member, Struct, Type
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import BY_NAME

NAME, OPS = "fuzz", "ops"
BATCH = 48  # operations that one run does
_KEY_AT = 32

# the type ids of a map whose values have a lock: key, value
KEY_TYPE, LOCKED_TYPE = 1, 4
_LOCK = 4  # bytes, at the beginning
_TYPES: tuple[Type, ...] = (
    Int("int", 4, 32, is_signed=True),
    FuncProto(1, tuple((name, 1) for name in "abcd")),
    Struct("bpf_spin_lock", 4, (Member("val", 1, 0),)),
    Struct("locked", 16, (Member("lock", 3, 0), *(Member(f"word{at}", 1, 32 * at) for at in (1, 2, 3)))),
)

TARGETS = ("t1", "t2", "t3")  # programs that may stand in a program array; each gives its number

# helper -> operations that call it, alone
_BY_HELPER = {
    "map_lookup_elem": ("lookup", "store"), "map_update_elem": ("update",), "map_delete_elem": ("delete",),
    "map_lookup_percpu_elem": ("lookup_percpu",), "for_each_map_elem": ("each", "each_delete"),
    "map_push_elem": ("push",), "map_pop_elem": ("pop",), "map_peek_elem": ("peek",), "tail_call": ("tail_call",),
    "redirect_map": ("redirect",),
}  # fmt: skip


def operations(spec: MapSpec) -> tuple[str, ...]:
    """What programs can do with the map."""
    helpers = HELPERS[spec.type]
    found = [name for helper, names in _BY_HELPER.items() if helper in helpers for name in names]
    if spec.inner is not None:
        return ("inner_lookup", "inner_update", *(["inner_delete"] if spec.inner.type == "hash" else []))
    if BY_NAME[spec.type].holds != "data" and "store" in found:
        found.remove("store")
    if "for_each_map_elem" in helpers and "map_delete_elem" not in helpers:
        found.remove("each_delete")
    return (*found, "stale") if "map_update_elem" in helpers else tuple(found)


def object_of(spec: MapSpec, beside: Sequence[MapSpec] = ()) -> ObjectSpec:
    """An object with the map, the array of operations and the program."""
    if spec.type == "prog_array":
        return _jumps(spec)
    inside = spec.inner or spec
    value_at = _KEY_AT + padded(spec.key_size)
    ops = MapSpec(OPS, "array", 4, value_at + padded(inside.value_size), BATCH)
    insns = tuple(assemble(_text(spec)))
    starts = [slot for slot, one in zip(slots(insns), insns, strict=False) if one.op.name == "exit"]
    names = ("one", "each", "each_delete")[: len(starts)]
    functions = tuple(FunctionSpec(name, slot + 1, True) for name, slot in zip(names, starts[:-1], strict=False))
    program = ProgramSpec(NAME, "xdp", "xdp", insns, functions=functions)
    types = Btf([*_TYPES, Func(NAME, 2), *(Func(one.name, 2, STATIC) for one in functions)])
    return ObjectSpec({NAME: program}, {one.name: one for one in (spec, ops, *beside)}, types)


def _jumps(spec: MapSpec) -> ObjectSpec:
    """A program that jumps by its packet's first 4 bytes, and those that it may jump to."""
    text = "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 4\nr0 = 99\nif r4 > r3 goto out\n"
    text += f"r3 = *(u32 *)(r2 +0)\nr2 = map[{MAP}]\ncall 12\nr0 = 0\nout: exit\n"
    programs = {NAME: ProgramSpec(NAME, "xdp", "xdp", tuple(assemble(text)))}
    for number, name in enumerate(TARGETS, 1):
        programs[name] = ProgramSpec(name, "xdp", "xdp", tuple(assemble(f"r0 = {number}\nexit")))
    return ObjectSpec(programs, {MAP: spec})


def _text(spec: MapSpec) -> str:
    chosen = operations(spec)
    sections = _sections(spec)
    text = f"r1 = map[{OPS}]\nr2 = func one\nr3 = 0\nr4 = 0\ncall 164\nr0 = 2\nexit\n"
    text += "one: r6 = r3\nr7 = *(u64 *)(r6 +0)\nr0 = 1\nif r7 == 0 goto end\nr8 = *(u64 *)(r6 +8)\n"
    text += f"r1 = map[{MAP}]\nr2 = r6\nr2 += {_KEY_AT}\n"
    text += "".join(f"if r7 == {PROGRAM[name]} goto {name}\n" for name in chosen[1:])
    text += "".join(f"{name}: {sections[name]}" for name in chosen)
    if any("goto found" in sections[name] for name in chosen):
        text += "found: r1 = 0\nif r0 == 0 goto none\n" + _copy(spec, "r0", 0, "r6", _value_at(spec))
        text += "r1 = 1\nnone: r0 = r1\n"
    text += "done: *(u64 *)(r6 +16) = r0\nr0 = 0\nend: exit\n"
    if "each" in chosen:
        fold = "".join(_fold("r2", 0, spec.key_size)) + "".join(_fold("r3", _first(spec), spec.value_size))
        head = "r5 = *(u64 *)(r4 +0)\n" + fold + "*(u64 *)(r4 +0) = r5\n"
        # a loop ends at the first key whose low byte is 4, where the operation says so
        text += (
            f"over: {head}r1 = *(u8 *)(r2 +0)\nr0 = 0\nif r1 != 4 goto on\nr0 = *(u64 *)(r4 +8)\nr0 &= 1\non: exit\n"
        )
        if "each_delete" in chosen:
            text += f"dropping: {head}call 3\nr0 = 0\nexit\n"
    return text


def _value_at(spec: MapSpec) -> int:
    return _KEY_AT + padded(spec.key_size)


def _sections(spec: MapSpec) -> dict[str, str]:
    """Each operation's code: r1 is the map, r2 the key, r6 the operation, r8 its flags."""
    value_at = _value_at(spec)
    value = f"r3 = r6\nr3 += {value_at}\n"
    loop = "r2 = *(u64 *)(r6 +24)\n*(u64 *)(r10 -8) = r2\n*(u64 *)(r10 -16) = 7\nr2 = func {}\nr3 = r10\nr3 += -16\n"
    loop += "r4 = r8\ncall 164\nr1 = *(u64 *)(r10 -16)\n*(u64 *)(r6 +24) = r1\ngoto done\n"
    taken = f"r2 = r6\nr2 += {value_at}\n"
    again = f"r1 = map[{MAP}]\nr2 = r6\nr2 += {_KEY_AT}\n"
    inner = "call 1\nif r0 == 0 goto empty_{0}\nr1 = r0\nr2 = r6\nr2 += 24\n"
    missing = "goto done\nempty_{0}: r0 = 77\ngoto done\n"
    return {
        "lookup": "call 1\ngoto found\n",
        "update": f"{value}r4 = r8\ncall 2\ngoto done\n",
        "delete": "call 3\ngoto done\n",
        "lookup_percpu": "r3 = *(u64 *)(r6 +24)\ncall 195\ngoto found\n",
        "each": loop.format("over"),
        "each_delete": loop.format("dropping"),
        "stale": "call 1\nif r0 == 0 goto missing\nr9 = r0\n" + again + value
        + "r4 = r8\ncall 2\n*(u64 *)(r6 +24) = r0\nr0 = r9\ngoto found\nmissing: r0 = 2\ngoto done\n",
        "store": "call 1\nif r0 == 0 goto absent\n" + _copy(spec, "r6", value_at, "r0", 0)
        + "r0 = 1\ngoto done\nabsent: r0 = 0\ngoto done\n",
        "push": f"{taken}r3 = r8\ncall 87\ngoto done\n",
        "pop": f"{taken}call 88\ngoto done\n",
        "peek": f"{taken}call 89\ngoto done\n",
        "redirect": f"r2 = *(u32 *)(r6 +{_KEY_AT})\nr3 = r8\ncall 51\ngoto done\n",
        "inner_lookup": inner.format("lookup") + "call 1\ngoto found\nempty_lookup: r0 = 77\ngoto done\n",
        "inner_update": inner.format("update") + f"{value}r4 = r8\ncall 2\n" + missing.format("update"),
        "inner_delete": inner.format("delete") + "call 3\n" + missing.format("delete"),
    }  # fmt: skip


def _copy(spec: MapSpec, source: str, at: int, to: str, place: int) -> str:
    """Copy a value."""
    size = (spec.inner or spec).value_size
    return "".join(
        f"r1 = *({word} *)({source} +{at + offset})\n*({word} *)({to} +{place + offset}) = r1\n"
        for offset, word in _words(_first(spec), size)
    )


def _fold(pointer: str, first: int, size: int) -> Iterator[str]:
    """Put all that is there from byte `first` on into r5."""
    for offset, word in _words(first, size):
        yield f"r0 = *({word} *)({pointer} +{offset})\nr5 *= 31\nr5 += r0\n"


def _first(spec: MapSpec) -> int:
    """Where what a program may access begins in a value."""
    return _LOCK if spec.value_type else 0


def _words(first: int, size: int) -> Iterator[tuple[int, str]]:
    """The pieces that bytes `first` to `size` are accessed by."""
    at = first
    for width in (8, 4, 2, 1):
        while size - at >= width:
            yield at, f"u{8 * width}"
            at += width


def given(spec: MapSpec, one: Operation) -> bytes:
    """An operation as an element of the array."""
    assert isinstance(one.value, bytes), "programs have one value"
    words = (PROGRAM[one.name], one.flags, 0, one.number)
    inside = spec.inner or spec
    head = b"".join(word.to_bytes(8, "little") for word in words)
    return head + one.key.ljust(padded(spec.key_size), b"\0") + one.value.ljust(padded(inside.value_size), b"\0")


def answered(spec: MapSpec, element: bytes) -> Answer:
    """What came of it: the result, then the sum of a loop and the value, if it is one that the operation changes."""
    return int.from_bytes(element[16:24], "little", signed=True), element[24:32] + element[_value_at(spec) :]
