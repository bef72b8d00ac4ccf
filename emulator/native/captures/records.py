"""Records of a file as LLVM IR: where the next one is, by format, and how what follows comes nearer.

A file is mapped in the arena, or parts of it are read to a buffer there, one when no record is left of the one before.
"""

from __future__ import annotations

from typing import Final

from bpfvm.emulator.native.captures.words import DONE, ODD, get
from bpfvm.obj.captures.pcap import MAX_PACKET, SECOND
from bpfvm.obj.captures.pcapng import ENHANCED, LEAST_ENHANCED

AHEAD = 1 << 13  # bytes by which the file is fetched before it is read: 260 ns at 30 GB/s
LINE = 64
AROUND = 1 << 16  # bytes that a page fault maps, Linux's fault_around_bytes

# By format: %start and %finish of the packet's bytes, %size of them, %stop of the record, %now. Goes to %stuck where
# the record is odd
READ: Final = {
    "pcap": f"""
header:
  %short = icmp ult i64 %rest, 16
  br i1 %short, label %stuck, label %read
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
  br i1 %odd, label %stuck, label %maybe
""",
    "pcapng": f"""
header:
  %short = icmp ult i64 %rest, {LEAST_ENHANCED}
  br i1 %short, label %stuck, label %read
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
  br i1 %odd, label %stuck, label %maybe
""",
}

# Fetches what is AHEAD of the record from %at to %stop. Nothing is fetched of pages that are not mapped, so that one
# byte of the next AROUND is read before: %around is where the last was read
FETCH = f"""
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
  %near1 = add i64 %at, {AHEAD}
  %near2 = add i64 %at, {AHEAD + LINE}
  %nearin1 = and i64 %near1, INSIDE
  %nearin2 = and i64 %near2, INSIDE
  %nearp1 = getelementptr i8, ptr %base, i64 %nearin1
  %nearp2 = getelementptr i8, ptr %base, i64 %nearin2
  call void @llvm.prefetch.p0(ptr %nearp1, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %nearp2, i32 0, i32 3, i32 1)
  %third = add i64 %at, {2 * LINE}
  %long1 = icmp ult i64 %third, %stop
  br i1 %long1, label %ahead, label %fill
ahead:
  %line = phi i64 [ %third, %fetch ], [ %nextline, %ahead ]
  %far = add i64 %line, {AHEAD}
  %farin = and i64 %far, INSIDE
  %farp = getelementptr i8, ptr %base, i64 %farin
  call void @llvm.prefetch.p0(ptr %farp, i32 0, i32 3, i32 1)
  %nextline = add i64 %line, {LINE}
  %more = icmp ult i64 %nextline, %stop
  br i1 %more, label %ahead, label %fill
"""

# Where no record is left at %at: %halt tells why
STUCK = f"""
stuck:
  %empty = icmp eq i64 %rest, 0
  %halt = select i1 %empty, i64 {DONE}, i64 {ODD}
"""

# The next part of a file that is read, from %at on, where there is more
REFILL = f"""{STUCK.rstrip()}
{get("buffer", "buffer")}
{get("front", "front")}
{get("size", "filesize")}
  %held = sub i64 %end, %buffer
  %reached = add i64 %front, %held
  %unread = icmp ult i64 %reached, %filesize
  %passed = sub i64 %at, %buffer
  %some1 = icmp ne i64 %passed, 0
  %some2 = or i1 %some1, %empty
  %refills = and i1 %unread, %some2
  br i1 %refills, label %refill, label %out
refill:
{get("room", "most")}
{get("file", "file")}
{get("pread", "pread")}
  %from = add i64 %front, %passed
  %ahead1 = sub i64 %filesize, %from
  %wanted = call i64 @llvm.umin.i64(i64 %most, i64 %ahead1)
  %file32 = trunc i64 %file to i32
  %bufferp = getelementptr i8, ptr %base, i64 %buffer
  %preadp = inttoptr i64 %pread to ptr
  %got = call i64 %preadp(i32 %file32, ptr %bufferp, i64 %wanted, i64 %from)
  store i64 %from, ptr %pfront
  %some3 = icmp sgt i64 %got, 0
  %fresh = select i1 %some3, i64 %got, i64 0
  %end1 = add i64 %buffer, %fresh
  br i1 %some3, label %loop, label %out
"""
