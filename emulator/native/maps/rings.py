"""Records of rings as LLVM IR over the layout of emulator.maps.ringbuf.

    i64 @output<n>(ptr %base, ptr %st, ptr %data, i64 %size, i64 %flags)        0, -EINVAL, or ASK
    i64 @reserve<n>(ptr %base, ptr %st, i64 %size)                              the record's address, or ASK
    void @commit<n>(ptr %base, ptr %st, i64 %record, i32 %flag)                 flag: DISCARD, or 0

What a program owns is counted in the state; Python is told of it before it is asked for anything. In a loop over a
capture records stay where they are until Python takes them, though a reader beside it has seen them at the end of their
run: so the consumer's position is where a run began (walk.py), and how far Python has come stands in a word of its own
for each ring. ASK: nothing was done, and records that Python has not taken yet are in the way; or there is no room,
which Python counts.
"""

from __future__ import annotations

import errno

from bpfvm.emulator.maps.ringbuf import BUSY, FORCE_WAKEUP, HEADER, LENGTH, NO_WAKEUP, PAGES_BEFORE, RingBuffer
from bpfvm.emulator.memory import PAGE
from bpfvm.emulator.native.body import Body
from bpfvm.emulator.native.maps.changes import ASK
from bpfvm.emulator.native.state import INDEX

PAGE_BITS = PAGE.bit_length() - 1


class Records(Body):
    """The functions of one ring on their way to text. place: of the word that tells what Python has taken."""

    def __init__(self, ring: RingBuffer, number: int, arena: int, place: int) -> None:
        super().__init__(arena)
        self.ring, self.number, self.place = ring, number, place

    def write(self) -> list[str]:
        """The text of the definitions."""
        self._oldest()
        self._room()
        self._output()
        self._reserve()
        self._commit()
        return self.text

    def _begin(self, name: str, parameters: str = "", result: str = "i64") -> None:
        self.text.append(f"define internal {result} @{name}{self.number}(ptr %base, ptr %st{parameters}) {{")

    def _position(self, place: int) -> str:
        return self.emit(f"load i64, ptr {self.host(str(place))}, align 8")

    def _at(self, position: str) -> str:
        """The address of the header at a position."""
        inside = self.emit(f"and i64 {position}, {self.ring.size - 1}")
        return self.emit(f"add i64 {inside}, {self.ring.base}")

    def _whole(self, size: str) -> str:
        """ringbuf.whole"""
        return self.emit(f"and i64 {self.emit(f'add i64 {size}, {HEADER + 7}')}, -8")

    def _oldest(self) -> None:
        """RingBuffer._oldest"""
        ring = self.ring
        self._begin("oldest_of")
        first, end = self._position(ring.pending_at), self._position(ring.producer_at)
        self.line("br label %loop")
        self.label("loop")
        self.line(f"%at = phi i64 [ {first}, %0 ], [ %next, %on ]")
        self.line("%turn = phi i64 [ 0, %0 ], [ %more, %on ]")
        over = self.emit(f"icmp uge i64 %at, {end}")
        tired = self.emit(f"icmp ugt i64 %turn, {ring.size // HEADER}")
        self.branch(self.emit(f"or i1 {over}, {tired}"), "out", "look")
        word = self.at32(self._at("%at"))
        self.branch(self.emit(f"icmp slt i32 {word}, 0"), "out", "on")  # bit 31: reserved
        size = self.emit(f"zext i32 {self.emit(f'and i32 {word}, {LENGTH}')} to i64")
        self.line(f"%next = add i64 %at, {self._whole(size)}")
        self.line("%more = add i64 %turn, 1")
        self.line("br label %loop")
        self.label("out")
        self.line(f"store i64 %at, ptr {self.host(str(ring.pending_at))}, align 8")
        self.line("ret i64 %at")
        self.text.append("}")

    def _room(self) -> None:
        """RingBuffer._reserve: the place of a new record, whose header says that it is reserved; or ASK."""
        ring = self.ring
        self._begin("room", ", i64 %size")
        length = self._whole("%size")
        self.branch(self.emit(f"icmp ugt i64 {length}, {ring.size}"), "ask", "fits")
        start = self._position(ring.producer_at)
        end = self.emit(f"add i64 {start}, {length}")
        pending = self.emit(f"call i64 @oldest_of{self.number}(ptr %base, ptr %st)")
        for position, on in ((self._position(ring.consumer_at), "first"), (pending, "second")):
            room = self.emit(f"sub i64 {end}, {position}")
            self.branch(self.emit(f"icmp uge i64 {room}, {ring.size}"), "ask", on)
        taken = self.emit(f"load ptr, ptr {self._word('rings')}")
        taken = self.emit(f"load i64, ptr {self.emit(f'getelementptr i64, ptr {taken}, i64 {self.place}')}")
        self.branch(self.emit(f"icmp ugt i64 {self.emit(f'sub i64 {end}, {taken}')}, {ring.size}"), "ask", "room")
        at = self._at(start)
        page = self.emit(f"lshr i64 {self.emit(f'and i64 {start}, {ring.size - 1}')}, {PAGE_BITS}")
        page = self.emit(f"add i64 {page}, {PAGES_BEFORE}")
        busy = self.emit(f"or i64 %size, {BUSY}")
        self.store32(at, self.emit(f"trunc i64 {busy} to i32"))
        self.store32(at, self.emit(f"trunc i64 {page} to i32"), 4)
        self.line(f"store i64 {end}, ptr {self.host(str(ring.producer_at))}, align 8")
        self.line(f"ret i64 {self.emit(f'add i64 {at}, {HEADER}')}")
        self.label("ask")
        self.line(f"ret i64 {ASK}")
        self.text.append("}")

    def _new(self) -> str:
        """A place for %size bytes; to "ask" where there is none."""
        at = self.emit(f"call i64 @room{self.number}(ptr %base, ptr %st, i64 %size)")
        self.branch(self.emit(f"icmp eq i64 {at}, {ASK}"), "ask", "new")
        return at

    def _output(self) -> None:
        self._begin("output", ", ptr %data, i64 %size, i64 %flags")
        unknown = self.emit(f"and i64 %flags, {~(NO_WAKEUP | FORCE_WAKEUP)}")
        self.branch(self.emit(f"icmp ne i64 {unknown}, 0"), "wrong", "known")
        at = self._new()
        goal = self.host(at)
        self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {goal}, ptr %data, i64 %size, i1 false)")
        self.store32(at, self.emit("trunc i64 %size to i32"), -HEADER)
        self.line("ret i64 0")
        for name, value in (("wrong", -errno.EINVAL), ("ask", ASK)):
            self.label(name)
            self.line(f"ret i64 {value}")
        self.text.append("}")

    def _reserve(self) -> None:
        self._begin("reserve", ", i64 %size")
        at = self._new()
        self._owe(1)
        self.line(f"ret i64 {at}")
        self.label("ask")
        self.line(f"ret i64 {ASK}")
        self.text.append("}")

    def _commit(self) -> None:
        """RingBuffer.commit"""
        self._begin("commit", ", i64 %record, i32 %flag", "void")
        size = self.emit(f"and i32 {self.at32('%record', -HEADER)}, {LENGTH}")
        self.store32("%record", self.emit(f"or i32 {size}, %flag"), -HEADER)
        self._owe(-1)
        self.line("ret void")
        self.text.append("}")

    def _owe(self, more: int) -> None:
        """Count what the program owns, of which Python has to be told."""
        owing = self._word("owing")
        count = self.emit(f"load i64, ptr {owing}")
        self.line(f"store i64 {self.emit(f'add i64 {count}, {more}')}, ptr {owing}")
        self.line(f"store i64 1, ptr {self._word('changed')}")

    def _word(self, name: str) -> str:
        """The address of a word of the state."""
        return self.emit(f"getelementptr i64, ptr %st, i64 {INDEX[name]}")
