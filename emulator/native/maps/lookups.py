"""Look-ups in maps as LLVM IR over the layouts of emulator.maps: one internal function for each map that is known.

    i64 @find<n>(ptr %base, ptr %st, ptr %key)        the address of the value for programs, or 0

Keys are hashed and compared in words of their constant size. A chain is followed for so many elements as the map can
have: in mode `safe` a program may have written into it.
"""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.core.bits import mask
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.maps.hash import Hashed, HashMap, PerCpuHashMap
from bpfvm.emulator.maps.jhash import START
from bpfvm.emulator.maps.lru_hash import LruHashed
from bpfvm.emulator.maps.percpu_array import PerCpuArrayMap
from bpfvm.emulator.maps.store import PerCpu
from bpfvm.emulator.maps.table import HASH, NEXT
from bpfvm.emulator.native.body import Body

INDEXED = (ArrayMap, PerCpuArrayMap)
HASHED = (HashMap, PerCpuHashMap, LruHashed)
WIDEST = 64  # bytes of a key that is compared in place


def is_native(store: MapStore | None) -> bool:
    """Whether a look-up in a map has a function here."""
    if isinstance(store, HASHED):
        return store.spec.key_size <= WIDEST
    return isinstance(store, INDEXED)


class Finder(Body):
    """The function of one map on its way to text."""

    def __init__(self, store: MapStore, number: int, arena: int, lock: int | None = None) -> None:
        super().__init__(arena, None if isinstance(store, INDEXED) else lock)
        self.store, self.number = store, number

    def write(self) -> list[str]:
        """The text of the definition."""
        name = "find" if self.lock is None else "seek"
        self.text = [f"define internal i64 @{name}{self.number}(ptr %base, ptr %st, ptr %key) {{"]
        if isinstance(self.store, INDEXED):
            self._indexed(self.store)
        else:
            assert isinstance(self.store, Hashed)
            element, _ = chain(self, self.store)
            self._found(self.store, element)
            self.label("none")
            self.line("ret i64 0")
        return [*self.text, "}", *(self._locked() if self.lock is not None else ())]

    def _locked(self) -> list[str]:
        """Look-ups beside threads that change the map: what is not found is sought again while none does."""
        seek = f"call i64 @seek{self.number}(ptr %base, ptr %st, ptr %key)"
        return [
            f"define internal i64 @find{self.number}(ptr %base, ptr %st, ptr %key) {{",
            f"  %first = {seek}",
            "  %missing = icmp eq i64 %first, 0",
            "  br i1 %missing, label %again, label %out",
            "again:",
            f"  call void @lock(ptr %st, i64 {self.lock})",
            f"  %second = {seek}",
            f"  call void @unlock(ptr %st, i64 {self.lock})",
            "  ret i64 %second",
            "out:",
            "  ret i64 %first",
            "}",
        ]

    def _indexed(self, store: ArrayMap | PerCpuArrayMap) -> None:
        index = self.emit(f"zext i32 {self.emit('load i32, ptr %key, align 1')} to i64")
        inside = self.emit(f"icmp ult i64 {index}, {store.spec.max_entries}")
        each = store.stride * (store.system.cpus if isinstance(store, PerCpu) else 1)
        at = self.emit(f"add i64 {self.emit(f'mul i64 {index}, {each}')}, {store.values.base}")
        if isinstance(store, PerCpu):
            at = self.emit(f"add i64 {at}, {self.mine(store.stride)}")
        self.line(f"ret i64 {self.emit(f'select i1 {inside}, i64 {at}, i64 0')}")

    def _found(self, store: Hashed, element: str) -> None:
        value = self.emit(f"add i64 {element}, {store.table.value}")
        if isinstance(store, LruHashed):
            mark = self.host(self.emit(f"sub i64 {value}, {store.mark}"))
            self.branch(self.emit(f"icmp eq i32 {self.mark_of(mark)}, 0"), "unmarked", "marked")
            self.line(f"ret i64 {self._value(store, value)}")
            self.label("unmarked")
            self.set_mark(mark, 1)
        self.line(f"ret i64 {self._value(store, value)}")

    def _value(self, store: Hashed, first: str) -> str:
        """The value of the CPU that runs, somewhere in the arena, whatever the chain was led to."""
        value = self.emit(f"add i64 {first}, {self.mine(store.stride)}") if isinstance(store, PerCpu) else first
        return self.emit(f"and i64 {value}, {self.arena - 1}")


def chain(f: Body, store: Hashed) -> tuple[str, str]:
    """Go through the elements of a key's bucket: the element, an i64, and the hash of the key, an i32.

    Block "found" begins; control goes to "none" where no element has the key.
    """
    table, size = store.table, store.spec.key_size
    words = f.words("%key", size)
    hashed = jhash(f.emit, words, size)
    bucket = f.emit(f"zext i32 {f.emit(f'and i32 {hashed}, {table.buckets - 1}')} to i64")
    at = f.emit(f"add i64 {f.emit(f'shl i64 {bucket}, 2')}, {table.first << 2}")
    first = f.link(f.host(at))
    f.line("br label %loop")
    f.label("loop")
    f.line(f"%element = phi i32 [ {first}, %0 ], [ %next, %on ]")
    f.line("%turn = phi i32 [ 0, %0 ], [ %more, %on ]")
    end = f.emit("icmp eq i32 %element, 0")
    tired = f.emit(f"icmp ugt i32 %turn, {store.capacity + store.system.cpus}")
    f.line(f"br i1 {f.emit(f'or i1 {end}, {tired}')}, label %none, label %look")
    f.label("look")
    wide = f.emit("zext i32 %element to i64")
    same = f.emit(f"icmp eq i32 {f.load32(f.host(wide, HASH))}, {hashed}")
    f.line(f"br i1 {same}, label %compare, label %on")
    f.label("compare")
    there = f.words(f.host(wide, table.key), size)
    differing = [f.emit(f"xor i32 {a}, {b}") for a, b in zip(words, there, strict=True)]
    total = differing[0]
    for one in differing[1:]:
        total = f.emit(f"or i32 {total}, {one}")
    f.line(f"br i1 {f.emit(f'icmp eq i32 {total}, 0')}, label %found, label %on")
    f.label("on")
    f.line("%more = add i32 %turn, 1")
    following = f.link(f.host(wide, NEXT))
    f.line(f"%next = add i32 {following}, 0")
    f.line("br label %loop")
    f.label("found")
    return wide, hashed


def jhash(emit: Callable[[str], str], words: list[str], size: int) -> str:
    """emulator.maps.jhash over i32 words, with the seed 0."""
    a = b = c = str((START + size) & mask(32))
    left = list(words)

    def add(x: str, y: str) -> str:
        return emit(f"add i32 {x}, {y}")

    def turned(x: str, bits: int) -> str:
        return emit(f"call i32 @llvm.fshl.i32(i32 {x}, i32 {x}, i32 {bits})")

    def step(x: str, y: str, bits: int) -> str:
        """(x - y) ^ rol(y, bits)"""
        return emit(f"xor i32 {emit(f'sub i32 {x}, {y}')}, {turned(y, bits)}")

    while len(left) > 3:
        a, b, c = add(a, left[0]), add(b, left[1]), add(c, left[2])
        a, c = step(a, c, 4), add(c, b)
        b, a = step(b, a, 6), add(a, c)
        c, b = step(c, b, 8), add(b, a)
        a, c = step(a, c, 16), add(c, b)
        b, a = step(b, a, 19), add(a, c)
        c, b = step(c, b, 4), add(b, a)
        left = left[3:]
    if len(left) > 2:
        c = add(c, left[2])
    if len(left) > 1:
        b = add(b, left[1])
    a = add(a, left[0])

    def last(x: str, y: str, bits: int) -> str:
        """(x ^ y) - rol(y, bits)"""
        return emit(f"sub i32 {emit(f'xor i32 {x}, {y}')}, {turned(y, bits)}")

    c = last(c, b, 14)
    a = last(a, c, 11)
    b = last(b, a, 25)
    c = last(c, b, 16)
    a = last(a, c, 4)
    b = last(b, a, 14)
    return last(c, b, 24)
