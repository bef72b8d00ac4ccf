"""The loop over a capture as LLVM IR: packets of a pcap or pcapng file in the arena, the program run on each in place.

    i64 @walk(ptr %st, ptr %w)        why it stopped: one of the codes below

The words of %w are `Walk`. A record that makes no sense, or that is not all there, is left to Python, and so is a
packet after which something has to be told: a trap, a recorded fault, a result that is not counted here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Final

from bpfvm.emulator.interp import MAY_GOTO
from bpfvm.emulator.maps.ringbuf import RingBuffer
from bpfvm.emulator.native.captures.contexts import filled
from bpfvm.emulator.native.state import INDEX as STATE
from bpfvm.obj.captures.pcap import MAX_PACKET, SECOND
from bpfvm.obj.captures.pcapng import ENHANCED, LEAST_ENHANCED

PLACES = 1 << 11  # for results that are counted in place
PART, WORD = 64, 8  # places that are looked at together; bytes of one
UNUSED = bytes(PART * WORD)
SPREAD = 0x9E37_79B1  # 2**32 by the golden ratio: neighbours get places apart
TRIES = 32  # places that a result may have
AHEAD = 1 << 13  # bytes by which the file is fetched before it is read: 260 ns at 30 GB/s
LINE = 64
AROUND = 1 << 16  # bytes that a page fault maps, Linux's fault_around_bytes

_WORDS = (
    "at", "end",  # of the file in the arena: the next record, and the end; guest addresses
    "todo",  # packets left
    "packets", "bytes", "insns",  # sums
    "unit", "offset",  # ns of the file's clock, and what is added to its time
    "budget",
    "cpus", "cpu",  # how many take packets in turn, and whose turn it is
    "first_cpu",  # whose turn it is behind the last
    "context",  # address of the context
    "template",  # host address of the bytes that a packet's context has first, where programs store in it
    "record",  # address of the word that a recorded fault is in, 0 for none
    "result",  # r0 of the last packet
)  # fmt: skip

PLACE: Final = {name: index for index, name in enumerate(_WORDS)}
DONE, ENOUGH, ODD, TRAPPED, TOLD = range(5)  # the end; `todo` packets; an odd record; a trap; a result or a fault


class Walk(ctypes.Structure):
    """The words; behind them, how often results came, and which: a place has the first one that came there."""

    counts: ctypes.Array[ctypes.c_uint64]
    results: ctypes.Array[ctypes.c_uint64]
    _fields_ = [
        *((name, ctypes.c_uint64) for name in PLACE),
        ("counts", ctypes.c_uint64 * PLACES),
        ("results", ctypes.c_uint64 * PLACES),
    ]

    def clear(self) -> None:
        """Count from zero again."""
        self.packets = self.bytes = self.insns = 0
        ctypes.memset(self.counts, 0, ctypes.sizeof(self.counts))

    def counted(self) -> Mapping[int, int]:
        """How often each result came that was counted in place. Most places have none: numpy takes nine starts to load,
        and parts of them compare in a fourth of the time that it takes to go through them."""
        counts = bytes(self.counts)
        places = [
            place
            for first in range(0, PLACES, PART)
            if counts[WORD * first : WORD * (first + PART)] != UNUSED
            for place in range(first, first + PART)
        ]
        return {self.results[place]: count for place in places if (count := self.counts[place])}


def _get(name: str, to: str) -> str:
    return f"  %p{to} = getelementptr i64, ptr %w, i64 {PLACE[name]}\n  %{to} = load i64, ptr %p{to}"


def _add(name: str, value: str, to: str) -> str:
    return (
        f"  %q{to} = getelementptr i64, ptr %w, i64 {PLACE[name]}\n  %o{to} = load i64, ptr %q{to}\n"
        f"  %n{to} = add i64 %o{to}, {value}\n  store i64 %n{to}, ptr %q{to}"
    )


def _set(*names: str) -> str:
    return "\n".join(
        f"  %q{name} = getelementptr i64, ptr %w, i64 {PLACE[name]}\n  store i64 %rest_{name}, ptr %q{name}"
        for name in names
    )


def _out(*values: object) -> str:
    """A value for each way out of the loop, in the order of the text."""
    ways = ("loop", "head", "header", "read", "run", "recorded", "collision")
    return ", ".join(f"[ {value}, %{way} ]" for value, way in zip(values, ways, strict=True))


def _either(before: str, after: str) -> str:
    """Of a way out before the program has run on a packet, and after."""
    return _out(*[before] * 4, *[after] * 3)


def _state(name: str, value: str) -> str:
    return f"  %s_{name} = getelementptr i64, ptr %st, i64 {STATE[name]}\n  store i64 {value}, ptr %s_{name}"


# By format: %start and %finish of the packet's bytes, %size of them, %stop of the record, %now; to %out where it is odd
_READ: Final = {
    "pcap": f"""
header:
  %short = icmp ult i64 %rest, 16
  br i1 %short, label %out, label %read
read:
  %h = getelementptr i8, ptr %base, i64 %at
  %h2 = getelementptr i8, ptr %h, i64 4
  %h3 = getelementptr i8, ptr %h, i64 8
  %secs32 = load i32, ptr %h, align 1
  %parts32 = load i32, ptr %h2, align 1
  %size32 = load i32, ptr %h3, align 1
  %secs = zext i32 %secs32 to i64
  %parts = zext i32 %parts32 to i64
  %size = zext i32 %size32 to i64
  %start = add i64 %at, 16
  %stop = add i64 %start, %size
  %finish = add i64 %stop, 0
  %whole = mul i64 %secs, {SECOND}
  %part = mul i64 %parts, %unit
  %now = add i64 %whole, %part
  %large = icmp ugt i64 %size, {MAX_PACKET}
  %cutoff = icmp ugt i64 %stop, %end
  %odd = or i1 %large, %cutoff
  br i1 %odd, label %out, label %maybe
""",
    "pcapng": f"""
header:
  %short = icmp ult i64 %rest, {LEAST_ENHANCED}
  br i1 %short, label %out, label %read
read:
  %h = getelementptr i8, ptr %base, i64 %at
  %h2 = getelementptr i8, ptr %h, i64 4
  %h3 = getelementptr i8, ptr %h, i64 8
  %h4 = getelementptr i8, ptr %h, i64 12
  %h5 = getelementptr i8, ptr %h, i64 16
  %h6 = getelementptr i8, ptr %h, i64 20
  %kind = load i32, ptr %h, align 1
  %length32 = load i32, ptr %h2, align 1
  %interface = load i32, ptr %h3, align 1
  %high32 = load i32, ptr %h4, align 1
  %low32 = load i32, ptr %h5, align 1
  %size32 = load i32, ptr %h6, align 1
  %length = zext i32 %length32 to i64
  %high = zext i32 %high32 to i64
  %lower = zext i32 %low32 to i64
  %size = zext i32 %size32 to i64
  %start = add i64 %at, 28
  %finish = add i64 %start, %size
  %stop = add i64 %at, %length
  %upper = shl i64 %high, 32
  %stamp = or i64 %upper, %lower
  %scaled = mul i64 %stamp, %unit
  %now = add i64 %scaled, %offset
  %tail = sub i64 %stop, 4
  %tailin = and i64 %tail, INSIDE
  %tailp = getelementptr i8, ptr %base, i64 %tailin
  %again = load i32, ptr %tailp, align 1
  %room = sub i64 %length, {LEAST_ENHANCED}
  %unaligned = and i64 %length, 3
  %o1 = icmp ne i32 %kind, {ENHANCED}
  %o2 = icmp ne i32 %interface, 0
  %o3 = icmp ult i64 %length, {LEAST_ENHANCED}
  %o4 = icmp ugt i64 %size, {MAX_PACKET}
  %o5 = icmp sgt i64 %size, %room
  %o6 = icmp ugt i64 %stop, %end
  %o7 = icmp ne i32 %again, %length32
  %o8 = icmp ne i64 %unaligned, 0
  %a1 = or i1 %o1, %o2
  %a2 = or i1 %o3, %o4
  %a3 = or i1 %o5, %o6
  %a4 = or i1 %o7, %o8
  %b1 = or i1 %a1, %a2
  %b2 = or i1 %a3, %a4
  %odd = or i1 %b1, %b2
  br i1 %odd, label %out, label %maybe
""",
}

# Fetches what is AHEAD of the record from %at to %stop. Nothing is fetched of pages that are not mapped, so that one
# byte of the next AROUND is read before: %around is where the last was read
_FETCH = f"""
maybe:
  %entered = icmp uge i64 %at, %around
  br i1 %entered, label %touch, label %fetch
touch:
  %placed = add i64 %at, %skew
  %lastof = or i64 %placed, {AROUND - 1}
  %lastin = sub i64 %lastof, %skew
  %next = add i64 %lastin, 1
  %inside = icmp ult i64 %next, %end
  %touched = select i1 %inside, i64 %next, i64 %at
  %touchedp = getelementptr i8, ptr %base, i64 %touched
  %ignored = load volatile i8, ptr %touchedp
  br label %fetch
fetch:
  %around1 = phi i64 [ %around, %maybe ], [ %next, %touch ]
  br label %ahead
ahead:
  %line = phi i64 [ %at, %fetch ], [ %nextline, %ahead ]
  %far = add i64 %line, {AHEAD}
  %farin = and i64 %far, INSIDE
  %farp = getelementptr i8, ptr %base, i64 %farin
  call void @llvm.prefetch.p0(ptr %farp, i32 0, i32 3, i32 1)
  %nextline = add i64 %line, {LINE}
  %more = icmp ult i64 %nextline, %stop
  br i1 %more, label %ahead, label %fill
"""

_TEXT = f"""
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
define i64 @walk(ptr noalias %st, ptr noalias %w) {{
entry:
  %pbase = getelementptr i64, ptr %st, i64 {STATE["base"]}
  %base = load ptr, ptr %pbase
{_get("end", "end")}
{_get("todo", "todo")}
{_get("unit", "unit")}
{_get("offset", "offset")}
{_get("budget", "budget")}
{_get("cpus", "cpus")}
{_get("first_cpu", "firstcpu")}
{_get("context", "context")}
{_get("template", "template")}
  %templatep = inttoptr i64 %template to ptr
{_get("record", "record")}
  %recording = icmp ne i64 %record, 0
  %recordp = getelementptr i8, ptr %base, i64 %record
  %ctxp = getelementptr i8, ptr %base, i64 %context
@FIRST  %patp = getelementptr i64, ptr %w, i64 {PLACE["at"]}
  %host = ptrtoint ptr %base to i64
  %skew = and i64 %host, {AROUND - 1}
  %countsp = getelementptr i64, ptr %w, i64 {len(PLACE)}
  %resultsp = getelementptr i64, ptr %w, i64 {len(PLACE) + PLACES}
  %executedp = getelementptr i64, ptr %st, i64 {STATE["executed"]}
  %owingp = getelementptr i64, ptr %st, i64 {STATE["owing"]}
  %trapp = getelementptr i64, ptr %st, i64 {STATE["trap"]}
{_get("cpu", "cpu0")}
  %at0 = load i64, ptr %patp
{_state("left", "%budget")}
  br label %loop
loop:
  %at = phi i64 [ %at0, %entry ], [ %stop, %on ]
  %left = phi i64 [ %todo, %entry ], [ %fewer, %on ]
  %cpu = phi i64 [ %cpu0, %entry ], [ %cpu2, %on ]
  %bytes = phi i64 [ 0, %entry ], [ %bytes1, %on ]
  %insns = phi i64 [ 0, %entry ], [ %insns1, %on ]
  %last = phi i64 [ 0, %entry ], [ %r, %on ]
  %around = phi i64 [ %at0, %entry ], [ %around1, %on ]
  %enough = icmp eq i64 %left, 0
  br i1 %enough, label %out, label %head
head:
  %rest = sub i64 %end, %at
  %empty = icmp eq i64 %rest, 0
  br i1 %empty, label %out, label %header
@READ
@FETCH
fill:
  %start32 = trunc i64 %start to i32
  %finish32 = trunc i64 %finish to i32
@CONTEXT  br label %run
run:
{_state("packet_start", "%start")}
{_state("packet_end", "%finish")}
{_state("now", "%now")}
{_state("clock", "%now")}
{_state("executed", "0")}
{_state("patience", str(MAY_GOTO))}
{_state("cpu", "%cpu")}
  %cpu1 = add i64 %cpu, 1
  %round = icmp uge i64 %cpu1, %cpus
  %cpu2 = select i1 %round, i64 %firstcpu, i64 %cpu1
@RINGS  %r = call fastcc i64 @PROGRAM(i64 %context, i64 0, i64 0, i64 0, i64 0, i64 0, ptr %st)
  %executed = load i64, ptr %executedp
  %fewer = sub i64 %left, 1
  %bytes1 = add i64 %bytes, %size
  %insns1 = add i64 %insns, %executed
  %trap = load i64, ptr %trapp
  %owing = load i64, ptr %owingp
  %owes = or i64 %trap, %owing
  %trapped = icmp ne i64 %owes, 0
  %over = icmp ugt i64 %executed, %budget
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
  %why = phi i64 {_out(ENOUGH, DONE, ODD, ODD, TRAPPED, TOLD, TOLD)}
  %rest_at = phi i64 {_either("%at", "%stop")}
  %rest_left = phi i64 {_either("%left", "%fewer")}
  %rest_cpu = phi i64 {_either("%cpu", "%cpu2")}
  %rest_bytes = phi i64 {_either("%bytes", "%bytes1")}
  %rest_insns = phi i64 {_either("%insns", "%insns1")}
  %rest_result = phi i64 {_either("%last", "%r")}
  %rest_packets = sub i64 %todo, %rest_left
{_set("at", "cpu", "result")}
{_add("packets", "%rest_packets", "packets")}
{_add("bytes", "%rest_bytes", "bytes")}
{_add("insns", "%rest_insns", "insns")}
  ret i64 %why
}}
"""


# As @walk, and nothing is run: where `todo` packets end
_SKIP = f"""
define i64 @skip(ptr noalias %st, ptr noalias %w) {{
entry:
  %pbase = getelementptr i64, ptr %st, i64 {STATE["base"]}
  %base = load ptr, ptr %pbase
{_get("end", "end")}
{_get("todo", "todo")}
{_get("unit", "unit")}
{_get("offset", "offset")}
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
  %empty = icmp eq i64 %rest, 0
  br i1 %empty, label %out, label %header
@READ
@FETCH
fill:
  %fewer = sub i64 %left, 1
  br label %loop
out:
  %why = phi i64 [ {ENOUGH}, %loop ], [ {DONE}, %head ], [ {ODD}, %header ], [ {ODD}, %read ]
  store i64 %at, ptr %patp
  %passed = sub i64 %todo, %left
{_add("packets", "%passed", "packets")}
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
    arena: int, slot: int, form: str, layout: str, template: bool, threads: bool = False,
    rings: Sequence[RingBuffer] = (),
) -> str:  # fmt: skip
    """The text of the definition. arena: its size. slot: of the program's function. form: of the file. layout,
    template: of the context, see contexts.py.

    threads: with @skip, which finds what one of them takes. rings: whose records a reader has seen when a packet comes.
    """
    text = _TEXT + (_SKIP if threads else "")
    text = text.replace("@RINGS", "".join(_seen(number, ring) for number, ring in enumerate(rings)))
    first, fill = filled(layout, template)
    text = text.replace("@FIRST", first).replace("@CONTEXT", fill.lstrip("\n"))
    text = text.replace("@READ", _READ[form]).replace("@FETCH", _FETCH.strip("\n")).replace("@PROGRAM", f"@f{slot}")
    return text.replace("INSIDE", str(arena - 1))
