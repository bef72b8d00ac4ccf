"""Random modules of one program on a hook: it reads and changes packets, keeps state in maps, tells of events.

    case = generated(seed=1, number=42)

What is written beside numbers comes as rows for the writer of `bpfvm.fuzz.python`: of the packet, of maps, of events.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bpfvm.fuzz.hooks import elements
from bpfvm.fuzz.hooks.context import Context
from bpfvm.fuzz.hooks.dynptrs import Dynptrs
from bpfvm.fuzz.hooks.events import Events
from bpfvm.fuzz.hooks.frames import packet
from bpfvm.fuzz.hooks.kinds import KINDS, Kind
from bpfvm.fuzz.hooks.maps import Maps
from bpfvm.fuzz.hooks.queues import Queues
from bpfvm.fuzz.hooks.timers import Timers
from bpfvm.fuzz.hooks.views import Packet, Views
from bpfvm.fuzz.hooks.walks import Walks
from bpfvm.fuzz.python.case import Case, Given
from bpfvm.fuzz.python.compound import body
from bpfvm.fuzz.python.generate import INPUTS, called, case_of, declared
from bpfvm.fuzz.python.memory import declare
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.statements import leave
from bpfvm.fuzz.python.term import PLAIN
from bpfvm.fuzz.python.writer import Module, Writer
from bpfvm.lang.types.interval import Interval, of_bits

_FAULTY = 0.25  # of the programs say what a fault gives
_KEYED, _TOLD = 0.7, 0.75  # of the programs have maps with keys, other maps and events
_GLOBAL = 0.1  # of the programs have a function that is verified by itself, and sees no packet
_PLACED = ("@bpf.func", "@bpf.func", "@bpf.inline")
_META = 0.15  # of the inputs of XDP programs have metadata
_LOOSE = 0.35  # of the structs have parts that are no numbers of their own
_CHECKED = 0.03  # of the programs test sums that may not fit


def generated(seed: int, number: int) -> Case:
    """Case `number` of `seed`: always the same."""
    name = f"{seed}:{number}"
    rng = random.Random(name)
    kind = rng.choices(KINDS, [one.weight for one in KINDS])[0]
    module = declared(rng)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        declare(module)
        if rng.random() < _LOOSE:
            _widen(module)
    if rng.random() < _GLOBAL:
        called(module, ("@bpf.global_func",))
    ends = _rows(module, kind)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        called(module, _PLACED)
    writer = Writer(module, PLAIN[2], rng.choice((1, 2, 3, 5, 8, 12)))
    if kind.hook.returns is not None:
        writer.verdict = Interval(*kind.hook.returns)
    body(writer)
    leave(writer)
    lines = [_decorator(rng, kind), "def f(ctx) -> int:", *writer.lines]
    return case_of(name, module, lines, _inputs(module, kind, ends))


def _widen(module: Module) -> None:
    """Give the last struct an array, bit-fields, an earlier struct: what is copied, compared and sent with the rest."""
    parts = ["    more: u8[3] = b'xy'", "    low: bits(u8, 3) = 5\n    high: bits(u8, 5)", "    list: u16[2]"]
    if len(module.structs) > 1:
        parts.append(f"    inner: {module.structs[0].name} = {module.structs[0].name}()")
    chosen = module.rng.sample(parts, module.rng.randint(1, len(parts)))
    head, method, rest = module.lines[-1].partition("\n    def total")
    module.lines[-1] = "\n".join([head, *chosen]) + method + rest


def _rows(module: Module, kind: Kind) -> Sequence[int]:
    """Give the module what its writers may write beside numbers. Where what they read of a packet ends."""
    seen = Packet(kind, [])
    views, context = Views(seen), Context(kind)
    walks, maps, queues, events = Walks(views), Maps(module), Queues(module, kind), Events(module)
    timers, dynptrs = Timers(module, kind), Dynptrs(module, kind, maps, events)
    if module.rng.random() < _KEYED:
        maps.declare()
    if module.rng.random() < _TOLD:
        queues.declare()
        events.declare()
    timers.declare()
    module.pieces, module.placed = views.piece, views.placed
    module.leaves += (*views.leaves(), *context.leaves(), *maps.leaves(), *queues.leaves())
    module.tests += (*views.tests(), *maps.tests(), *queues.tests(), *timers.tests(), *elements.tests(module))
    module.statements += (*walks.rows(), *context.rows(), *maps.rows(), *queues.rows(), *events.rows())
    module.statements += (*timers.rows(), *dynptrs.rows())
    return seen.ends


def _decorator(rng: random.Random, kind: Kind) -> str:
    given = [repr(kind.word)] if kind.word else []
    if kind.frags:
        given.append("frags=True")
    if rng.random() < _FAULTY:
        lies = kind.hook.returns
        given.append(f"on_fault={rng.randint(*lies) if lies is not None else rng.choice((0, 1, 2, 3, 77))}")
    if rng.random() < _CHECKED:
        given.append("ints='checked'")
    return f"@bpf.{kind.name}({', '.join(given)})" if given else f"@bpf.{kind.name}"


def _inputs(module: Module, kind: Kind, ends: Sequence[int]) -> list[Given]:
    """Packets, the same one again sometimes, and fields of the context."""
    rng = module.rng
    found: list[Given] = []
    for _ in range(INPUTS):
        data = packet(rng, kind, ends, module.numbers) if not found or rng.random() < 0.9 else rng.choice(found)[0]
        fields = {
            name: inside(rng, of_bits(bits, signed=False)) for name, bits in (kind.given or {}).items()
            if rng.random() < 0.3
        }  # fmt: skip
        if kind.name == "xdp" and rng.random() < _META:
            fields["data_meta"] = 4 * rng.randrange(9)
        found.append((data, fields) if fields else (data,))
    return found
