"""The loop over a capture as LLVM IR: packets of a pcap or pcapng file in the arena, the program run on each in place.

    i64 @walk(ptr %st, ptr %w)        why it stopped: one of the codes below

The words of %w are `Walk`. A record that makes no sense, or that is not all there, is left to Python, and so is a
packet after which something has to be told: a trap, a recorded fault, a result that is not counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.emulator.interp import MAY_GOTO
from bpfvm.emulator.maps.ringbuf import RingBuffer
from bpfvm.emulator.native.captures.contexts import filled
from bpfvm.emulator.native.captures.records import AROUND, FETCH, READ, REFILL, STUCK
from bpfvm.emulator.native.captures.words import ENOUGH, ODD, PLACE, PLACES, TOLD, TRAPPED, add, get, put
from bpfvm.emulator.native.state import INDEX as STATE

SPREAD = 0x9E37_79B1  # 2**32 by the golden ratio: neighbours get places apart
TRIES = 32  # places that a result may have
CLOCKS = frozenset(  # helpers that see the packet's time
    ("ktime_get_ns", "ktime_get_boot_ns", "ktime_get_tai_ns", "ktime_get_coarse_ns", "jiffies64", "get_prandom_u32")
)


def _out(*values: object) -> str:
    """A value for each way out of the loop, in the order of the text."""
    ways = ("loop", "stuck", "refill", "run", "recorded", "collision")
    return ", ".join(f"[ {value}, %{way} ]" for value, way in zip(values, ways, strict=True))


def _either(before: str, after: str) -> str:
    """Of a way out before the program has run on a packet, and after."""
    return _out(*[before] * 3, *[after] * 3)


def _state(name: str, value: str) -> str:
    return f"  %s_{name} = getelementptr i64, ptr %st, i64 {STATE[name]}\n  store i64 {value}, ptr %s_{name}"


_TEXT = f"""
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
define i64 @walk(ptr noalias %st, ptr noalias %w) {{
entry:
  %pbase = getelementptr i64, ptr %st, i64 {STATE["base"]}
  %base = load ptr, ptr %pbase
{get("end", "end0")}
{get("todo", "todo")}
{get("unit", "unit")}
{get("offset", "offset")}
{get("budget", "budget")}
{get("cpus", "cpus")}
{get("first_cpu", "firstcpu")}
{get("context", "context")}
{get("template", "template")}
  %templatep = inttoptr i64 %template to ptr
{get("record", "record")}
  %recording = icmp ne i64 %record, 0
  %recordp = getelementptr i8, ptr %base, i64 %record
  %ctxp = getelementptr i8, ptr %base, i64 %context
@FIRST  %patp = getelementptr i64, ptr %w, i64 {PLACE["at"]}
  %host = ptrtoint ptr %base to i64
  %skew = and i64 %host, {AROUND - 1}
  %countsp = getelementptr i64, ptr %w, i64 {len(PLACE)}
  %resultsp = getelementptr i64, ptr %w, i64 {len(PLACE) + PLACES}
  %owingp = getelementptr i64, ptr %st, i64 {STATE["owing"]}
  %trapp = getelementptr i64, ptr %st, i64 {STATE["trap"]}
{get("cpu", "cpu0")}
  %at0 = load i64, ptr %patp
{_state("left", "%budget")}
{_state("cpu", "%cpu0")}
  br label %loop
loop:
  %at = phi i64 [ %at0, %entry ], [ %stop, %on ], [ %buffer, %refill ]
  %end = phi i64 [ %end0, %entry ], [ %end, %on ], [ %end1, %refill ]
  %left = phi i64 [ %todo, %entry ], [ %fewer, %on ], [ %left, %refill ]
  %cpu = phi i64 [ %cpu0, %entry ], [ %cpu2, %on ], [ %cpu, %refill ]
  %bytes = phi i64 [ 0, %entry ], [ %bytes1, %on ], [ %bytes, %refill ]
  %insns = phi i64 [ 0, %entry ], [ %insns1, %on ], [ %insns, %refill ]
  %last = phi i64 [ 0, %entry ], [ %r, %on ], [ %last, %refill ]
  %around = phi i64 [ %at0, %entry ], [ %around1, %on ], [ %buffer, %refill ]
  %enough = icmp eq i64 %left, 0
  br i1 %enough, label %out, label %head
head:
  %rest = sub i64 %end, %at
  br label %header
@READ
@REFILL
@FETCH
fill:
  %start32 = trunc i64 %start to i32
  %finish32 = trunc i64 %finish to i32
@CONTEXT  br label %run
run:
{_state("packet_start", "%start")}
{_state("packet_end", "%finish")}
@TIME@PATIENCE@CLEAR@TURN@RINGS  %r = call fastcc i64 @PROGRAM(i64 %context, i64 0, i64 0, i64 0, i64 0, i64 0, ptr %st)
@COUNT  %fewer = sub i64 %left, 1
  %bytes1 = add i64 %bytes, %size
  %trap = load i64, ptr %trapp
  %owing = load i64, ptr %owingp
  %owes = or i64 %trap, %owing
  %trapped = icmp ne i64 %owes, 0
  %failed = or i1 %trapped, %over
  br i1 %failed, label %out, label %fine
fine:
  %low = and i64 %r, 4294967295
  %mixed = mul i64 %low, {SPREAD}
  %first = lshr i64 %mixed, {32 - PLACES.bit_length() + 1}
  br i1 %recording, label %recorded, label %probe
recorded:
  %fault = load i32, ptr %recordp
  %faulted = icmp ne i32 %fault, 0
  br i1 %faulted, label %out, label %probe
probe:
  %tries = phi i64 [ 0, %fine ], [ 0, %recorded ], [ %tried, %collision ]
  %moved = add i64 %first, %tries
  %place = and i64 %moved, {PLACES - 1}
  %countp = getelementptr i64, ptr %countsp, i64 %place
  %resultp = getelementptr i64, ptr %resultsp, i64 %place
  %count0 = load i64, ptr %countp
  %there = load i64, ptr %resultp
  %unused = icmp eq i64 %count0, 0
  %same = icmp eq i64 %there, %low
  %mine = or i1 %unused, %same
  br i1 %mine, label %count, label %collision
collision:
  %tried = add i64 %tries, 1
  %strange = icmp uge i64 %tried, {TRIES}
  br i1 %strange, label %out, label %probe
count:
  %count1 = add i64 %count0, 1
  store i64 %low, ptr %resultp
  store i64 %count1, ptr %countp
  br label %on
on:
  br label %loop
out:
  %why = phi i64 {_out(ENOUGH, "%halt", ODD, TRAPPED, TOLD, TOLD)}
  %rest_at = phi i64 {_out("%at", "%at", "%buffer", *["%stop"] * 3)}
  %rest_end = phi i64 {_out("%end", "%end", "%end1", *["%end"] * 3)}
  %rest_left = phi i64 {_either("%left", "%fewer")}
  %rest_cpu = phi i64 {_either("%cpu", "%cpu2")}
  %rest_bytes = phi i64 {_either("%bytes", "%bytes1")}
  %rest_insns = phi i64 {_either("%insns", "%insns1")}
  %rest_result = phi i64 {_either("%last", "%r")}
  %rest_packets = sub i64 %todo, %rest_left
{put("at", "end", "cpu", "result")}
{add("packets", "%rest_packets", "packets")}
{add("bytes", "%rest_bytes", "bytes")}
{add("insns", "%rest_insns", "insns")}
  ret i64 %why
}}
"""


# What is done for each packet where a program can see it, and what stands there where it cannot
_TIME = f"""{_state("now", "%now")}
{_state("clock", "%now")}
"""
_PATIENCE = f"{_state('patience', str(MAY_GOTO))}\n"
_TURN = f"""{_state("cpu", "%cpu").replace("s_cpu", "s_turn")}
  %cpu1 = add i64 %cpu, 1
  %round = icmp uge i64 %cpu1, %cpus
  %cpu2 = select i1 %round, i64 %firstcpu, i64 %cpu1
"""
_NO_TURN = "  %cpu2 = add i64 %cpu, 0\n"
_CLEARED = f"{_state('executed', '0')}\n"
_COUNTED = """  %executed = load i64, ptr %s_executed
  %insns1 = add i64 %insns, %executed
  %over = icmp ugt i64 %executed, %budget
"""
_UNCOUNTED = "  %insns1 = add i64 %insns, 0\n  %over = icmp ne i64 0, 0\n"


@dataclass(frozen=True)
class Sees:
    """What a program may find in the state that differs from packet to packet.

    time: of the packet, which chance begins with, too. patience: tests of may_goto left. turn: CPUs in turn.
    counts: instructions, which are counted and may be held against the budget.
    """

    time: bool
    patience: bool
    turn: bool
    counts: bool


# As @walk, and nothing is run: where `todo` packets end
_SKIP = f"""
define i64 @skip(ptr noalias %st, ptr noalias %w) {{
entry:
  %pbase = getelementptr i64, ptr %st, i64 {STATE["base"]}
  %base = load ptr, ptr %pbase
{get("end", "end")}
{get("todo", "todo")}
{get("unit", "unit")}
{get("offset", "offset")}
  %patp = getelementptr i64, ptr %w, i64 {PLACE["at"]}
  %at0 = load i64, ptr %patp
  %host = ptrtoint ptr %base to i64
  %skew = and i64 %host, {AROUND - 1}
  br label %loop
loop:
  %at = phi i64 [ %at0, %entry ], [ %stop, %fill ]
  %left = phi i64 [ %todo, %entry ], [ %fewer, %fill ]
  %around = phi i64 [ %at0, %entry ], [ %around1, %fill ]
  %enough = icmp eq i64 %left, 0
  br i1 %enough, label %out, label %head
head:
  %rest = sub i64 %end, %at
  br label %header
@READ
@FETCH
fill:
  %fewer = sub i64 %left, 1
  br label %loop
@STUCK
  br label %out
out:
  %why = phi i64 [ {ENOUGH}, %loop ], [ %halt, %stuck ]
  store i64 %at, ptr %patp
  %passed = sub i64 %todo, %left
{add("packets", "%passed", "packets")}
  ret i64 %why
}}
"""


def _seen(number: int, ring: RingBuffer) -> str:
    """Put the consumer's position where the producer's is."""
    return (
        f"  %producer{number} = getelementptr i8, ptr %base, i64 {ring.producer_at}\n"
        f"  %consumer{number} = getelementptr i8, ptr %base, i64 {ring.consumer_at}\n"
        f"  %seen{number} = load i64, ptr %producer{number}\n  store i64 %seen{number}, ptr %consumer{number}\n"
    )


def walk(
    arena: int, slot: int, form: str, layout: str, template: bool, sees: Sees, threads: bool = False,
    rings: Sequence[RingBuffer] = (),
) -> str:  # fmt: skip
    """The text of the definition. arena: its size. slot: of the program's function. form: of the file. layout,
    template: of the context, see contexts.py.

    threads: with @skip, which finds what one of them takes. rings: whose records a reader has seen when a packet comes.
    """
    first, fill = filled(layout, template)
    parts = {
        "RINGS": "".join(_seen(number, ring) for number, ring in enumerate(rings)),
        "FIRST": first,
        "CONTEXT": fill.lstrip("\n"),
        "TIME": _TIME if sees.time else "",
        "PATIENCE": _PATIENCE if sees.patience else "",
        "CLEAR": _CLEARED if sees.counts else "",
        "TURN": _TURN if sees.turn else _NO_TURN,
        "COUNT": _COUNTED if sees.counts else _UNCOUNTED,
        "READ": READ[form],
        "FETCH": FETCH.strip("\n"),
        "REFILL": REFILL.strip("\n"),
        "STUCK": STUCK.strip("\n"),
        "PROGRAM": f"@f{slot}",
    }
    text = _TEXT + (_SKIP if threads else "")
    for name, part in parts.items():
        text = text.replace(f"@{name}", part)
    return text.replace("INSIDE", str(arena - 1))
