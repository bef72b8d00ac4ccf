"""Whatever a program of any type calls, with whatever arguments: an end or a fault, and never an error of Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.emulator.kfuncs import IMPLEMENTED as FUNCTIONS
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.helpers import allowed
from bpfvm.tables.helpers.row import Arg
from bpfvm.tables.kfuncs import BY_NAME as KFUNCS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from tests.engines import EMULATORS

TIMES = 3  # calls of each in programs of each type
MAPS = {
    "array": MapSpec("array", "array", 4, 16, 4),
    "hash": MapSpec("hash", "hash", 4, 8, 4),
    "ring": MapSpec("ring", "ringbuf", 0, 0, 4096),
    "progs": MapSpec("progs", "prog_array", 4, 4, 2),
    "devices": MapSpec("devices", "devmap", 4, 4, 2),
    "traces": MapSpec("traces", "stack_trace", 4, 80, 4),
    "queue": MapSpec("queue", "queue", 0, 8, 4),
    "events": MapSpec("events", "perf_event_array", 4, 4, 2),
    "sockets": MapSpec("sockets", "sockmap", 4, 4, 2),
    "text": MapSpec("text", "array", 4, 16, 1, 0x80, initial=b"%d %s %x\n\0".ljust(16, b"\0")),
}
BEGIN = """r9 = r10
r8 = r1
*(u64 *)(r10 -8) = 0
*(u64 *)(r10 -16) = 1
*(u64 *)(r10 -24) = 5
*(u64 *)(r10 -32) = 0x41
"""
NUMBERS = ("0", "1", "-1", "2", "4", "8", "16", "20", "64", "0x7fffffff")
HANDLES = tuple(f"map[{name}]" for name in MAPS)
MEMORY = ("r9 -32", "r9 -16", "map[array]+0", "map[text]+0", "r8", "r8 +4", "r9")
USUAL = {Arg.CTX: ("r8",), Arg.CTX_OR_NULL: ("r8", "0"), Arg.MAP: HANDLES, Arg.TEXT: ("map[text]+0",), Arg.FUNC: ("7",)}


def value(rng: random.Random, kinds: Sequence[Arg], place: int) -> str:
    """Mostly one that suits the kind of the argument."""
    if place >= len(kinds) or rng.random() < 0.25:
        return rng.choice((*NUMBERS, *HANDLES, *MEMORY))
    kind = kinds[place]
    is_number = kind is Arg.ANY or "SIZE" in kind.name
    return rng.choice(USUAL.get(kind, NUMBERS if is_number else MEMORY))


def moved(register: int, text: str) -> str:
    base, _, off = text.partition(" ")
    more = f"r{register} += {off.removeprefix('+')}\n" if off else ""
    return f"r{register} = {base}\n{more}"


def calls() -> Iterator[tuple[str, str, str, tuple[Arg, ...]]]:
    """A type of programs, and what one of them may call: its name, the call, the arguments' kinds."""
    for kind in PROGRAM_TYPES:
        for name in IMPLEMENTED:
            if allowed(name, kind) is not False:
                yield kind, name, f"call {HELPERS[name].id}", HELPERS[name].args_in(kind)
        for name in FUNCTIONS:
            if KFUNCS[name].may_call(kind):
                yield kind, name, f"call kfunc[{name}]@0", KFUNCS[name].args


@pytest.mark.parametrize("engine", EMULATORS)
def test_a_call_ends_or_is_a_fault(engine: str) -> None:
    rng, ended, stopped, wrong = random.Random(7), 0, 0, []
    for kind, name, call, kinds in [one for one in calls() for _ in range(TIMES if engine == "interp" else 1)]:
        given = "".join(moved(place + 1, value(rng, kinds, place)) for place in range(5))
        code = tuple(assemble(f"{BEGIN}{given}{call}\nr0 = 0\nexit"))
        spec = ObjectSpec({"p": ProgramSpec("p", kind, kind, code)}, MAPS)
        inputs = Input(packet=bytes(range(64))) if PROGRAM_TYPES[kind].layer else Input(ctx=bytes(64))
        try:
            with Emulator(engine, 100_000).load(spec, "p", {}) as loaded:
                fault = loaded.run(inputs).fault
        except BpfvmError:
            continue
        except Exception as error:  # what is looked for
            wrong.append(f"{kind}: {name}: {type(error).__name__}: {error}: {given.splitlines()}")
            continue
        ended, stopped = ended + (fault is None), stopped + (fault is not None)
    print(f"{ended} calls ended, {stopped} are faults")
    assert not wrong, wrong[:5]
    assert ended >= 500
    assert stopped >= 500


@pytest.mark.parametrize(
    ("kind", "call", "words"),
    [
        ("syscall", "call 46", "bpf_get_socket_cookie#46 is not emulated in this version (there are no sockets"),
        ("sk_reuseport", "call 46", "bpf_get_socket_cookie#46 is not emulated in this version (there are no sockets"),
        ("tracing", "call 188", "bpf_xdp_get_buff_len#188 is not emulated in this version"),
        ("lsm", "r2 = 0\n r3 = r10\n r3 += -8\n r4 = 4\n call 26", "bpf_skb_load_bytes#26 is not emulated"),
        ("tracing", "r2 = 0\n r3 = r10\n r3 += -16\n call kfunc[bpf_dynptr_from_skb]@0", "there are no packets"),
    ],
)
def test_what_takes_another_context_says_so(kind: str, call: str, words: str) -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", kind, kind, tuple(assemble(f"{call}\n r0 = 0\n exit")))}, {})
    with Emulator("interp").load(spec, "p", {}) as loaded:
        fault = loaded.run(Input(ctx=bytes(64))).fault
    assert fault is not None
    assert fault.kind == "helper"
    assert words in fault.message
