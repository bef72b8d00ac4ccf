"""Arguments of helpers: what each kind becomes, and what is refused, on both tiers."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.arguments import MAX_SIZE, bind
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps.store import Store
from bpfvm.emulator.memory import Pointer
from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from bpfvm.tables.helpers.row import Arg, Helper, Ret
from tests.engines import EMULATORS

NUMBER = 4000
TIERS = EMULATORS


def typed() -> tuple[Btf, int]:
    btf = Btf()
    u64 = btf.add(Int("u64", 8, 64))
    timer = btf.add_struct("bpf_timer", 16, [("__opaque", btf.add_array(u64, 2), 0)])
    lock = btf.add_struct("bpf_spin_lock", 4, [("val", btf.add(Int("u32", 4, 32)), 0)])
    pointer = btf.add_ptr(btf.add_type_tag("kptr", btf.add_struct("task", 8, [])))
    return btf, btf.add_struct("value", 40, [("n", u64, 0), ("t", timer, 8), ("l", lock, 24), ("k", pointer, 32)])


BTF, VALUE = typed()
MAPS = {
    "m": MapSpec("m", "array", 4, 8, 3),
    "t": MapSpec("t", "array", 4, 8, 1, 1 << 7, initial=b"text\0end"),
    "v": MapSpec("v", "array", 4, 40, 1, value_type=VALUE),
}
STACK = "r{0} = r10\n r{0} += -16\n *(u64 *)(r{0} +0) = 0x6261\n *(u64 *)(r{0} +8) = 7"
FIELD = "r6 = r1\n *(u32 *)(r10 -4) = 0\n r1 = map[v]\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto out\n r1 = r0\n"


def called(kinds: tuple[Arg, ...], setup: str, name: str, type: str = "syscall") -> tuple[Result, list[object]]:
    """A run that calls a helper of these arguments, and what the helper got."""
    seen: list[object] = []

    def function(caller: object, *given: object) -> int:
        seen.extend(shown(one) for one in given)
        return -2

    row = Helper(NUMBER, "probe", "long(void)", kinds, Ret.NUMBER, "1.0", "A helper of a test.", sizes=(8, 8))
    text = f"{setup}\n call {NUMBER}\n out: exit\n f: r0 = 0\n exit"
    program = ProgramSpec("p", type, type, tuple(assemble(text)))
    with Emulator(name).load(ObjectSpec({"p": program}, MAPS, BTF), "p", {}) as loaded:
        tier = loaded.tier
        tier.helpers = {**tier.helpers, NUMBER: bind(row, function, type)}  # type: ignore[attr-defined]
        given = Input(ctx=bytes(16)) if type == "syscall" else Input(packet=bytes(range(64)))
        return loaded.run(given), seen


def shown(one: object) -> object:
    """What a helper got, without what differs from machine to machine."""
    if isinstance(one, Pointer):
        return one.region.kind, one.offset
    if isinstance(one, Store):
        return f"map {one.spec.name}"
    return "context" if isinstance(one, Context) else one


MAP = "r1 = map[m]"
RIGHT: list[tuple[tuple[Arg, ...], str, list[object]]] = [
    ((Arg.ANY, Arg.ANY), "r1 = -1\n r2 = 5", [(1 << 64) - 1, 5]),
    ((Arg.CTX,), "", ["context"]),
    ((Arg.CTX_OR_NULL,), "", ["context"]),
    ((Arg.CTX_OR_NULL,), "r1 = 0", [None]),
    ((Arg.MAP,), MAP, ["map m"]),
    ((Arg.MAP, Arg.KEY), f"{STACK.format(2)}\n {MAP}", ["map m", b"ab\0\0"]),
    ((Arg.MAP, Arg.KEY, Arg.VALUE), f"{STACK.format(2)}\n {STACK.format(3)}\n {MAP}",
     ["map m", b"ab\0\0", b"ab" + bytes(6)]),
    ((Arg.MAP, Arg.VALUE_OR_NULL), f"{MAP}\n r2 = 0", ["map m", None]),
    ((Arg.MAP, Arg.VALUE_OR_NULL), f"{STACK.format(2)}\n {MAP}", ["map m", b"ab" + bytes(6)]),
    ((Arg.MAP, Arg.VALUE_OUT), f"{STACK.format(2)}\n {MAP}", ["map m", ("stack", 496)]),
    ((Arg.MEM, Arg.SIZE), f"{STACK.format(1)}\n r2 = 3", [b"ab\0", 3]),
    ((Arg.MEM, Arg.SIZE_OR_ZERO), f"{STACK.format(1)}\n r2 = 0", [b"", 0]),
    ((Arg.MEM_OR_NULL, Arg.SIZE_OR_ZERO), "r1 = 0\n r2 = 0", [None, 0]),
    ((Arg.MEM_OR_NULL, Arg.SIZE), f"{STACK.format(1)}\n r2 = 1", [b"a", 1]),
    ((Arg.MEM, Arg.SIZE), "r1 = map[t]+5\n r2 = 3", [b"end", 3]),
    ((Arg.OUT, Arg.SIZE), f"{STACK.format(1)}\n r2 = 16", [("stack", 496), 16]),
    ((Arg.INOUT, Arg.SIZE_OR_ZERO), f"{STACK.format(1)}\n r2 = 0", [("stack", 496), 0]),
    ((Arg.INOUT_OR_NULL, Arg.SIZE_OR_ZERO), "r1 = 0\n r2 = 9", [None, 9]),
    ((Arg.INOUT_OR_NULL, Arg.SIZE), f"{STACK.format(1)}\n r2 = 9", [("stack", 496), 9]),
    ((Arg.CONST_SIZE,), "r1 = 0x7fffffff", [0x7FFFFFFF]),
    ((Arg.FIXED,), STACK.format(1), [b"ab" + bytes(6)]),
    ((Arg.FIXED_OUT, Arg.FIXED), f"{STACK.format(1)}\n {STACK.format(2)}", [("stack", 496), b"ab" + bytes(6)]),
    ((Arg.FIXED_INOUT,), STACK.format(1), [("stack", 496)]),
    ((Arg.TEXT,), "r1 = map[t]+0", [b"text"]),
    ((Arg.TEXT,), "r1 = map[t]+2", [b"xt"]),
    ((Arg.FUNC,), "r1 = func f", [None]),
    ((Arg.STACK_OR_NULL,), STACK.format(1), [("stack", 496)]),
    ((Arg.STACK_OR_NULL,), "r1 = 0", [0]),
    ((Arg.TIMER,), FIELD + "r1 += 8", [("map value", 8)]),
    ((Arg.LOCK,), FIELD + "r1 += 24", [("map value", 24)]),
    ((Arg.KPTR,), FIELD + "r1 += 32", [("map value", 32)]),
    ((Arg.RECORD_GIVEN,), STACK.format(1), [("stack", 496)]),
]  # fmt: skip
for kind in Arg:
    if kind.name.startswith(("DYNPTR", "ITER")):
        RIGHT.append(((kind,), STACK.format(1), [("stack", 496)]))
    if kind.name.startswith(("BTF", "SOCK", "PER_CPU")):
        RIGHT.append(((kind,), "r1 = 77", [77]))


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize("case", range(len(RIGHT)))
def test_what_each_kind_becomes(case: int, name: str) -> None:
    kinds, setup, wanted = RIGHT[case]
    result, seen = called(kinds, setup, name)
    assert result.fault is None, result.fault
    if kinds == (Arg.FUNC,):
        wanted = [4]  # the slot behind a wide load, the call and the exit
    assert seen == wanted
    assert result.r0 == (1 << 64) - 2


def test_every_kind_is_among_the_right_ones() -> None:
    assert {kind for kinds, _, _ in RIGHT for kind in kinds} == set(Arg)


SIZED = (Arg.MEM, Arg.OUT, Arg.INOUT, Arg.MEM_OR_NULL, Arg.INOUT_OR_NULL)
OF_MAPS = (Arg.KEY, Arg.VALUE, Arg.VALUE_OUT, Arg.VALUE_OR_NULL)
UNWRITTEN = "is in a register that was never written"
WRONG: list[tuple[tuple[Arg, ...], str, str]] = [
    ((Arg.MAP,), "r1 = 5", "is not a map: it is the number 0x5"),
    ((Arg.MAP,), "r1 = 0", "is not a map: it is null"),
    ((Arg.MAP,), STACK.format(1), "is not a map: it points to stack of frame 0+496"),
    ((Arg.MAP,), "r1 = map[m]\n r1 += 8", "is not a map: it points to map m+8"),
    ((Arg.MEM, Arg.SIZE), f"{STACK.format(1)}\n r2 = 17", "read of 17 bytes at stack of frame 0+496"),
    ((Arg.MEM, Arg.SIZE), f"{STACK.format(1)}\n r2 = 0", f"is 0, and must be 1 to {MAX_SIZE}"),
    ((Arg.MEM, Arg.SIZE), f"{STACK.format(1)}\n r2 = -1", f"is -1, and must be 1 to {MAX_SIZE}"),
    ((Arg.MEM, Arg.SIZE_OR_ZERO), f"{STACK.format(1)}\n r2 = {MAX_SIZE + 1}", f"is {MAX_SIZE + 1}, and must be 0 to"),
    ((Arg.MEM, Arg.SIZE), "r2 = 1", "points to context, which this helper does not take for memory"),
    ((Arg.MEM, Arg.SIZE), "r1 = 0\n r2 = 1", "the null pointer"),
    ((Arg.OUT, Arg.SIZE), "r1 = map[t]+0\n r2 = 1", "cannot be written"),
    ((Arg.OUT, Arg.SIZE), "r1 = 0\n r2 = 1", "the null pointer"),
    ((Arg.INOUT_OR_NULL, Arg.SIZE), "r1 = 0\n r2 = 0", "is 0, and must be 1"),
    ((Arg.MEM_OR_NULL, Arg.SIZE), "r1 = 0\n r2 = 0", "is 0, and must be 1"),
    ((Arg.FIXED_OUT,), STACK.format(1) + "\n r1 += 1", "is at stack of frame 0+497, and must be aligned to 8 bytes"),
    ((Arg.FIXED,), STACK.format(1) + "\n r1 += 9", "read of 8 bytes at stack of frame 0+505"),
    ((Arg.TEXT,), STACK.format(1), "is not constant text in a read-only map, ended by a zero: it points to stack"),
    ((Arg.TEXT,), "r1 = map[t]+5", "is not constant text"),
    ((Arg.CTX,), "r1 = 0", "is not the program's context: it is null"),
    ((Arg.CTX,), "r1 += 8", "is not the program's context: it points to context+8"),
    ((Arg.CTX_OR_NULL,), STACK.format(1), "is not the program's context: it points to stack"),
    ((Arg.FUNC,), STACK.format(1), "is not a function of the program"),
    ((Arg.STACK_OR_NULL,), "r1 = map[t]+0", "is not stack memory"),
    ((Arg.TIMER,), FIELD, "is not a timer inside a map value: it points to v value at 0+0"),
    ((Arg.LOCK,), FIELD + "r1 += 8", "is not a lock inside a map value"),
    ((Arg.KPTR,), STACK.format(1), "is not a place for a kernel object's pointer"),
    ((Arg.DYNPTR,), STACK.format(1) + "\n r1 += 4", "write of 16 bytes"),
    ((Arg.DYNPTR,), STACK.format(1) + "\n r1 += -4", "is not a dynptr on the stack, aligned to 8 bytes"),
    ((Arg.DYNPTR_OUT,), FIELD, "is not a dynptr on the stack"),
    ((Arg.ITER,), STACK.format(1) + "\n r1 += 4", "is not an iterator on the stack, aligned to 8 bytes"),
    ((Arg.ITER_OUT,), FIELD, "is not an iterator on the stack"),
    *(((kind, Arg.SIZE), "call 5\n r2 = 1", UNWRITTEN) for kind in SIZED),
    *(((kind,), "call 5", UNWRITTEN) for kind in Arg if kind not in SIZED and kind not in OF_MAPS),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_what_is_refused(case: int) -> None:
    kinds, setup, message = WRONG[case]
    results = [called(kinds, setup, name) for name in TIERS]
    for result, seen in results:
        assert result.fault is not None
        assert message in result.fault.message
        assert not seen
        place = 2 if "and must be 1" in message or "and must be 0" in message else 1
        assert f"argument {place} of bpf_probe#{NUMBER}" in result.fault.message
    assert results[0][0].fault == results[1][0].fault


def test_the_packet_is_memory_for_those_that_take_it() -> None:
    text = "r2 = *(u32 *)(r1 +4)\n r1 = *(u32 *)(r1 +0)\n r2 = 4"
    for name in TIERS:
        result, _ = called((Arg.MEM, Arg.SIZE), text, name, "xdp")
        assert result.fault is not None
        assert "points to packet, which this helper does not take for memory" in result.fault.message
    assert BY_NAME["map_lookup_elem"].packet


@pytest.mark.parametrize("kind", ["queue", "stack", "bloom_filter"])
def test_the_packet_is_pushed_and_never_asked_for(kind: str) -> None:
    """As the kernel has it: tests/verifier/packets.data."""
    text = "r2 = *(u32 *)(r1 +0)\n r1 = map[q]\n r3 = 0\n call {}\n r0 = 1\n exit"
    spec = MapSpec("q", kind, 0, 8, 8)
    for name in TIERS:
        for helper in ("map_push_elem", "map_peek_elem"):
            insns = tuple(assemble(text.format(BY_NAME[helper].id)))
            made = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", insns)}, {"q": spec})
            with Emulator(name).load(made, "p", {}) as loaded:
                result = loaded.run(Input(packet=bytes(64)))
            refused = result.fault is not None and "points to packet, which this helper" in result.fault.message
            assert refused == (helper == "map_peek_elem"), f"{name}: {helper} of a {kind}: {result.fault}"


def run(text: str, name: str, type: str = "syscall") -> Result:
    with Emulator(name).load(
        ObjectSpec({"p": ProgramSpec("p", type, type, tuple(assemble(text)))}, MAPS), "p", {}
    ) as loaded:
        return loaded.run(Input(ctx=bytes(8)))


@pytest.mark.parametrize(("text", "message"), [
    ("call 69\n exit", "bpf_fib_lookup#69 is not for syscall programs: the kernel refuses to load such a call"),
    ("call 35\n exit", "bpf_get_current_task#35 is not emulated in this version (no task runs here); give it as a "
     "Python function: --helper FILE.py:get_current_task, or helpers={'get_current_task': function}"),
    ("call 4001\n exit", "unknown#4001 is not emulated in this version"),
])  # fmt: skip
def test_helpers_that_are_not_there_are_named(text: str, message: str) -> None:
    for name in TIERS:
        fault = run(text, name).fault
        assert fault is not None
        assert fault.message == message
