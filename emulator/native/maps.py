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
from bpfvm.emulator.native.state import INDEX

INDEXED = (ArrayMap, PerCpuArrayMap)
HASHED = (HashMap, PerCpuHashMap, LruHashed)
WIDEST = 64  # bytes of a key that is compared in place


def is_native(store: MapStore | None) -> bool:
    """Whether a look-up in a map has a function here."""
    if isinstance(store, HASHED):
        return store.spec.key_size <= WIDEST
    return isinstance(store, INDEXED)


class Finder:
    """The function of one map on its way to text. arena: its size."""

    def __init__(self, store: MapStore, number: int, arena: int) -> None:
        self.store, self.number, self.arena = store, number, arena
        self._text: list[str] = []
        self._temporaries = 0

    def write(self) -> list[str]:
        """The text of the definition."""
        self._text = [f"define internal i64 @find{self.number}(ptr %base, ptr %st, ptr %key) {{"]
        if isinstance(self.store, INDEXED):
            self._indexed(self.store)
        else:
            assert isinstance(self.store, Hashed)
            self._hashed(self.store)
        return [*self._text, "}"]

    def _emit(self, text: str) -> str:
        self._temporaries += 1
        self._text.append(f"  %v{self._temporaries} = {text}")
        return f"%v{self._temporaries}"

    def _line(self, text: str) -> None:
        self._text.append(f"  {text}")

    def _label(self, name: str) -> None:
        self._text.append(f"{name}:")

    def _mine(self, stride: int) -> str:
        """The distance of this CPU's value from the first."""
        place = self._emit(f"getelementptr i64, ptr %st, i64 {INDEX['cpu']}")
        return self._emit(f"mul i64 {self._emit(f'load i64, ptr {place}')}, {stride}")

    def _indexed(self, store: ArrayMap | PerCpuArrayMap) -> None:
        index = self._emit(f"zext i32 {self._emit('load i32, ptr %key, align 1')} to i64")
        inside = self._emit(f"icmp ult i64 {index}, {store.spec.max_entries}")
        each = store.stride * (store.system.cpus if isinstance(store, PerCpu) else 1)
        at = self._emit(f"add i64 {self._emit(f'mul i64 {index}, {each}')}, {store.values.base}")
        if isinstance(store, PerCpu):
            at = self._emit(f"add i64 {at}, {self._mine(store.stride)}")
        self._line(f"ret i64 {self._emit(f'select i1 {inside}, i64 {at}, i64 0')}")

    def _hashed(self, store: Hashed) -> None:
        table, size = store.table, store.spec.key_size
        words = self._words("%key", size)
        hashed = jhash(self._emit, words, size)
        bucket = self._emit(f"zext i32 {self._emit(f'and i32 {hashed}, {table.buckets - 1}')} to i64")
        at = self._emit(f"add i64 {self._emit(f'shl i64 {bucket}, 2')}, {table.first << 2}")
        first = self._load32(self._host(at))
        self._line("br label %loop")
        self._label("loop")
        self._line(f"%element = phi i32 [ {first}, %0 ], [ %next, %on ]")
        self._line("%turn = phi i32 [ 0, %0 ], [ %more, %on ]")
        end = self._emit("icmp eq i32 %element, 0")
        tired = self._emit(f"icmp ugt i32 %turn, {store.capacity + store.system.cpus}")
        self._line(f"br i1 {self._emit(f'or i1 {end}, {tired}')}, label %none, label %look")
        self._label("look")
        wide = self._emit("zext i32 %element to i64")
        same = self._emit(f"icmp eq i32 {self._load32(self._host(wide, HASH))}, {hashed}")
        self._line(f"br i1 {same}, label %compare, label %on")
        self._label("compare")
        there = self._words(self._host(wide, table.key), size)
        differing = [self._emit(f"xor i32 {a}, {b}") for a, b in zip(words, there, strict=True)]
        total = differing[0]
        for one in differing[1:]:
            total = self._emit(f"or i32 {total}, {one}")
        self._line(f"br i1 {self._emit(f'icmp eq i32 {total}, 0')}, label %found, label %on")
        self._label("on")
        self._line("%more = add i32 %turn, 1")
        self._line(f"%next = load i32, ptr {self._host(wide, NEXT)}, align 4")
        self._line("br label %loop")
        self._label("found")
        self._found(store, wide)
        self._label("none")
        self._line("ret i64 0")

    def _found(self, store: Hashed, element: str) -> None:
        value = self._emit(f"add i64 {element}, {store.table.value}")
        if isinstance(store, LruHashed):  # an element that was used
            self._line(f"store i32 1, ptr {self._host(self._emit(f'sub i64 {value}, {store.mark}'))}, align 4")
        if isinstance(store, PerCpu):
            value = self._emit(f"add i64 {value}, {self._mine(store.stride)}")
        self._line(f"ret i64 {value}")

    def _host(self, address: str, off: int = 0) -> str:
        moved = self._emit(f"add i64 {address}, {off}") if off else address
        return self._emit(f"getelementptr i8, ptr %base, i64 {self._emit(f'and i64 {moved}, {self.arena - 1}')}")

    def _load32(self, host: str) -> str:
        return self._emit(f"load i32, ptr {host}, align 1")

    def _words(self, host: str, size: int) -> list[str]:
        """The words of a key, the last one filled up with zeros."""
        words = []
        for at in range(0, size, 4):
            place = self._emit(f"getelementptr i8, ptr {host}, i64 {at}") if at else host
            words.append(self._partial(place, size - at) if size - at < 4 else self._load32(place))
        return words

    def _partial(self, host: str, size: int) -> str:
        low = self._emit(f"load i{8 if size == 1 else 16}, ptr {host}, align 1")
        word = self._emit(f"zext i{8 if size == 1 else 16} {low} to i32")
        if size < 3:
            return word
        high = self._emit(f"load i8, ptr {self._emit(f'getelementptr i8, ptr {host}, i64 2')}, align 1")
        wide = self._emit(f"zext i8 {high} to i32")
        return self._emit(f"or i32 {word}, {self._emit(f'shl i32 {wide}, 16')}")


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
