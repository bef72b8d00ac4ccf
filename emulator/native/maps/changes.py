"""Updates and deletions in maps as LLVM IR over the layouts of emulator.maps: functions for each map that is known.

    i64 @update<n>(ptr %base, ptr %st, ptr %key, ptr %value, i64 %flags)        0, a negative errno, or ASK
    i64 @delete<n>(ptr %base, ptr %st, ptr %key)

What they do is what emulator.maps does in the same order, so that elements have the same addresses. ASK: nothing was
done, and Python has to do it, because a slab has to grow. Key and value are in stacks, which no element overlaps.
Python finds elements by their buckets from then on (Table.share).
"""

from __future__ import annotations

import errno

from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.maps.hash import Hashed, HashMap, PerCpuHashMap
from bpfvm.emulator.maps.lru_hash import LruHashMap, LruPerCpuHashMap
from bpfvm.emulator.maps.percpu_array import PerCpuArrayMap
from bpfvm.emulator.maps.slab import ELEMENTS_END, FRESH, LINK, SPARE
from bpfvm.emulator.maps.store import EXIST, LOCK, NOEXIST, RDONLY_PROG
from bpfvm.emulator.maps.table import HASH
from bpfvm.emulator.native.body import Body
from bpfvm.emulator.native.maps.lookups import WIDEST, chain

ASK = 1
HASHES = (HashMap, PerCpuHashMap)
LRUS = (LruHashMap, LruPerCpuHashMap)
ARRAYS = (ArrayMap, PerCpuArrayMap)


def is_native(store: MapStore | None) -> bool:
    """Whether changes of a map have functions: one whose values are bytes, and that programs may write."""
    if not isinstance(store, (*HASHES, *LRUS, *ARRAYS)) or store.fields or store.spec.flags & RDONLY_PROG:
        return False
    return isinstance(store, ARRAYS) or store.spec.key_size <= WIDEST


class Changer(Body):
    """The functions of one map on their way to text."""

    def __init__(self, store: MapStore, number: int, arena: int, lock: int | None = None) -> None:
        super().__init__(arena, lock)
        self.store, self.number = store, number

    def write(self) -> list[str]:
        """The text of the definitions."""
        if isinstance(self.store, ARRAYS):
            self._update_array(self.store)
            self._begin("delete", "ptr %key")
            self._end(str(-errno.EINVAL))
            self.text.append("}")
            return self.text
        assert isinstance(self.store, HASHES)
        store = self.store
        store.table.share()
        if self.lock is not None:
            self._chunks(store)
        self._element(store)
        self._unlink(store)
        self._take(store)
        self._give(store)
        self._insert(store)
        self._update(store)
        self._delete()
        return self.text

    # text

    def _begin_call(self, name: str, parameters: str) -> None:
        """Begin a function that programs call; where there are threads, behind another one that takes the lock."""
        if self.lock is None:
            self._begin(name, parameters)
            return
        passed = f"ptr %base, ptr %st, {parameters}"
        self.text += [
            f"define internal i64 @{name}{self.number}({passed}) {{",
            f"  call void @lock(ptr %st, i64 {self.lock})",
            f"  %result = call i64 @{name}_held{self.number}({passed})",
            f"  call void @unlock(ptr %st, i64 {self.lock})",
            "  ret i64 %result",
            "}",
        ]
        self._begin(f"{name}_held", parameters)

    def _begin(self, name: str, parameters: str, kind: str = "i64") -> None:
        self.text.append(f"define internal {kind} @{name}{self.number}(ptr %base, ptr %st, {parameters}) {{")

    def _end(self, value: str) -> None:
        self.line(f"ret i64 {value}")

    def _copy(self, goal: str, source: str, size: int) -> None:
        self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {goal}, ptr {source}, i64 {size}, i1 false)")

    def _word(self, store: Hashed, place: int) -> str:
        """The guest address of a word of the slab's control that each CPU has: that of the one that runs."""
        return self.emit(f"add i64 {self.mine(4)}, {store.slab.control + 4 * place}")

    def _bucket(self, store: Hashed, hashed: str) -> str:
        table = store.table
        index = self.emit(f"zext i32 {self.emit(f'and i32 {hashed}, {table.buckets - 1}')} to i64")
        return self.emit(f"add i64 {self.emit(f'shl i64 {index}, 2')}, {table.first << 2}")

    def _counted(self, store: Hashed, more: int) -> None:
        count = self.at32(str(store.table.count))
        self.store32(str(store.table.count), self.emit(f"add i32 {count}, {more}"))

    # tables

    def _element(self, store: Hashed) -> None:
        """i64 @element(base, st, key): the element of the key, or 0; the key's hash in the upper half."""
        self._begin("element", "ptr %key")
        element, hashed = chain(self, store)
        upper = self.emit(f"shl i64 {self.emit(f'zext i32 {hashed} to i64')}, 32")
        self._end(self.emit(f"or i64 {upper}, {element}"))
        self.label("none")
        upper = self.emit(f"shl i64 {self.emit(f'zext i32 {hashed} to i64')}, 32")
        self._end(upper)
        self.text.append("}")

    def _unlink(self, store: Hashed) -> None:
        """void @unlink(base, st, element, hash): Table.remove."""
        self._begin("unlink", "i64 %element, i32 %hash", "void")
        bucket = self._bucket(store, "%hash")
        low = self.emit("trunc i64 %element to i32")
        self.line("br label %loop")
        self.label("loop")
        self.line(f"%at = phi i64 [ {bucket}, %0 ], [ %further, %on ]")
        self.line("%turn = phi i32 [ 0, %0 ], [ %more, %on ]")
        here = self.at32("%at")
        self.branch(self.emit(f"icmp eq i32 {here}, {low}"), "found", "look")
        tired = self.emit(f"icmp ugt i32 %turn, {store.capacity + store.system.cpus}")
        end = self.emit(f"icmp eq i32 {here}, 0")
        self.branch(self.emit(f"or i1 {end}, {tired}"), "out", "on")
        self.line("%more = add i32 %turn, 1")
        self.line(f"%further = zext i32 {here} to i64")
        self.line("br label %loop")
        self.label("found")
        self.store_link("%at", self.at32("%element"))
        self._counted(store, -1)
        self.line("br label %out")
        self.label("out")
        self.line("ret void")
        self.text.append("}")

    def _insert(self, store: Hashed) -> None:
        """void @insert(base, st, element, key, hash): Table.insert."""
        self._begin("insert", "i64 %element, ptr %key, i32 %hash", "void")
        bucket = self._bucket(store, "%hash")
        self.store32("%element", self.at32(bucket))
        self.store32("%element", "%hash", HASH)
        self._copy(self.host("%element", store.table.key), "%key", store.spec.key_size)
        self.store_link(bucket, self.emit("trunc i64 %element to i32"))
        self._counted(store, 1)
        self.line("ret void")
        self.text.append("}")

    # slabs

    def _take(self, store: Hashed) -> None:
        """i64 @take(base, st, i64 unused): Slab.allocate without growing; 0 where Python has to be asked."""
        self._begin("take", "i64 %unused")
        free = self._word(store, store.slab.free_place)
        head = self.at32(free)
        self.branch(self.emit(f"icmp eq i32 {head}, 0"), "fresh", "freed")
        wide = self.emit(f"zext i32 {head} to i64")
        self.store32(free, self.at32(wide, LINK))
        self._end(wide)
        self.label("fresh")
        control = str(store.slab.control)
        place, end = self.at32(control, 4 * FRESH), self.at32(control, 4 * ELEMENTS_END)
        self.branch(self.emit(f"icmp eq i32 {place}, {end}"), "grow", "new")
        self.store32(control, self.emit(f"add i32 {place}, {store.slab.size}"), 4 * FRESH)
        self._end(self.emit(f"zext i32 {place} to i64"))
        self.label("grow")
        if self.lock is None:
            self._end("0")
        else:
            self._grow(store)
        self.text.append("}")

    def _chunks(self, store: Hashed) -> None:
        """The chunks that the slab will have, each from its base to its end; and then no more."""
        bounds = store.slab.reserve()
        rows = ", ".join(f"[2 x i32] [i32 {base}, i32 {end}]" for base, end in bounds)
        self.text.append(f"@chunks{self.number} = internal constant [{len(bounds)} x [2 x i32]] [{rows}]")

    def _grow(self, store: Hashed) -> None:
        """Slab._grow over chunks that are there; where there are no more, an element that another CPU freed."""
        control, slab = str(store.slab.control), store.slab
        used = self.emit(f"zext i32 {self.at32(control)} to i64")
        self.branch(self.emit(f"icmp uge i64 {used}, {len(slab.reserve())}"), "others", "begin")
        row = self.emit(f"getelementptr [2 x i32], ptr @chunks{self.number}, i64 {used}")
        base = self.load32(row)
        end = self.load32(self.emit(f"getelementptr i32, ptr {row}, i64 1"))
        kept = self.emit(f"add i64 {self.emit(f'shl i64 {used}, 2')}, {slab.control + 4 * slab.bases_place}")
        self.store32(kept, base)
        self.store32(control, self.emit(f"trunc i64 {self.emit(f'add i64 {used}, 1')} to i32"))
        self.store32(control, self.emit(f"add i32 {base}, {slab.size}"), 4 * FRESH)
        self.store32(control, end, 4 * ELEMENTS_END)
        self._end(self.emit(f"zext i32 {base} to i64"))
        self.label("others")
        self.line("br label %next")
        self.label("next")
        self.line("%cpu = phi i64 [ 0, %others ], [ %cpu1, %empty ]")
        self.branch(self.emit(f"icmp uge i64 %cpu, {store.system.cpus}"), "none", "see")
        list_ = self.emit(f"add i64 {self.emit('shl i64 %cpu, 2')}, {slab.control + 4 * slab.free_place}")
        first = self.at32(list_)
        self.branch(self.emit(f"icmp eq i32 {first}, 0"), "empty", "other")
        wide = self.emit(f"zext i32 {first} to i64")
        self.store32(list_, self.at32(wide, LINK))
        self._end(wide)
        self.label("empty")
        self.line("%cpu1 = add i64 %cpu, 1")
        self.line("br label %next")
        self.label("none")
        self._end("0")

    def _give(self, store: Hashed) -> None:
        """void @give(base, st, element): Slab.free."""
        self._begin("give", "i64 %element", "void")
        free = self._word(store, store.slab.free_place)
        self.store32("%element", self.at32(free), LINK)
        self.store32(free, self.emit("trunc i64 %element to i32"))
        self.line("ret void")
        self.text.append("}")

    # what programs call

    def _update(self, store: HashMap | PerCpuHashMap) -> None:
        number = self.number
        self._begin_call("update", "ptr %key, ptr %value, i64 %flags")
        self.branch(self.emit(f"icmp ugt i64 %flags, {EXIST}"), "wrong", "known")
        both = self.emit(f"call i64 @element{number}(ptr %base, ptr %st, ptr %key)")
        old = self.emit(f"and i64 {both}, 4294967295")
        hashed = self.emit(f"trunc i64 {self.emit(f'lshr i64 {both}, 32')} to i32")
        self.branch(self.emit(f"icmp eq i64 {old}, 0"), "absent", "present")
        self.branch(self.emit(f"icmp eq i64 %flags, {NOEXIST}"), "exists", "change")
        if isinstance(store, PerCpuHashMap):
            self._put_mine(store, old)
            self._end("0")
        else:
            self._replace(store, old, hashed)
        self.label("absent")
        self.branch(self.emit(f"icmp eq i64 %flags, {EXIST}"), "missing", "new")
        full = self.emit(f"icmp uge i32 {self.at32(str(store.table.count))}, {store.capacity}")
        self.branch(full, "full", "room")
        element = self.emit(f"call i64 @take{number}(ptr %base, ptr %st, i64 0)")
        self.branch(self.emit(f"icmp eq i64 {element}, 0"), "ask", "taken")
        if isinstance(store, PerCpuHashMap):
            self._zero(store, element)
            self._put_mine(store, element)
        else:
            self._put(store, element)
        self.line(f"call void @insert{number}(ptr %base, ptr %st, i64 {element}, ptr %key, i32 {hashed})")
        self._end("0")
        ends = {
            "ask": ASK if self.lock is None else -errno.E2BIG,
            "wrong": -errno.EINVAL,
            "exists": -errno.EEXIST,
            "missing": -errno.ENOENT,
            "full": -errno.E2BIG,
        }
        for name, value in ends.items():
            self.label(name)
            self._end(str(value))
        self.text.append("}")

    def _zero(self, store: PerCpuHashMap | LruPerCpuHashMap, element: str) -> None:
        """Clear the values of all CPUs."""
        first, size = self.host(element, store.table.value), store.stride * store.system.cpus
        self.line(f"call void @llvm.memset.p0.i64(ptr {first}, i8 0, i64 {size}, i1 false)")

    def _put(self, store: Hashed, element: str) -> None:
        self._copy(self.host(element, store.table.value), "%value", store.spec.value_size)

    def _put_mine(self, store: PerCpuHashMap | LruPerCpuHashMap, element: str) -> None:
        """Store the value of the CPU that runs."""
        mine = self.emit(f"add i64 {element}, {self.mine(store.stride)}")
        self._copy(self.host(mine, store.table.value), "%value", store.spec.value_size)

    def _replace(self, store: HashMap, old: str, hashed: str) -> None:
        """HashMap._replace of a key that is there."""
        number = self.number
        if store.is_preallocated:
            spare = self._word(store, SPARE)
            found = self.emit(f"zext i32 {self.at32(spare)} to i64")
            self.branch(self.emit(f"icmp eq i64 {found}, 0"), "grow", "spared")
            self.line("br label %got")
            self.label("grow")
        else:
            found = "0"
        taken = self.emit(f"call i64 @take{number}(ptr %base, ptr %st, i64 0)")
        self.branch(self.emit(f"icmp eq i64 {taken}, 0"), "ask", "grown")
        self.line("br label %got")
        self.label("got")
        element = taken
        if store.is_preallocated:
            element = self.emit(f"phi i64 [ {found}, %spared ], [ {taken}, %grown ]")
            self.store32(spare, self.emit(f"trunc i64 {old} to i32"))
        self._put(store, element)
        self.line(f"call void @unlink{number}(ptr %base, ptr %st, i64 {old}, i32 {hashed})")
        self.line(f"call void @insert{number}(ptr %base, ptr %st, i64 {element}, ptr %key, i32 {hashed})")
        if not store.is_preallocated:
            self.line(f"call void @give{number}(ptr %base, ptr %st, i64 {old})")
        self._end("0")

    def _delete(self) -> None:
        number = self.number
        self._begin_call("delete", "ptr %key")
        both = self.emit(f"call i64 @element{number}(ptr %base, ptr %st, ptr %key)")
        old = self.emit(f"and i64 {both}, 4294967295")
        self.branch(self.emit(f"icmp eq i64 {old}, 0"), "missing", "present")
        hashed = self.emit(f"trunc i64 {self.emit(f'lshr i64 {both}, 32')} to i32")
        self.line(f"call void @unlink{number}(ptr %base, ptr %st, i64 {old}, i32 {hashed})")
        self.line(f"call void @give{number}(ptr %base, ptr %st, i64 {old})")
        self._end("0")
        self.label("missing")
        self._end(str(-errno.ENOENT))
        self.text.append("}")

    def _update_array(self, store: ArrayMap | PerCpuArrayMap) -> None:
        self._begin("update", "ptr %key, ptr %value, i64 %flags")
        plain = self.emit(f"and i64 %flags, {~LOCK}")
        self.branch(self.emit(f"icmp ugt i64 {plain}, {EXIST}"), "wrong", "known")
        index = self.emit(f"zext i32 {self.emit('load i32, ptr %key, align 1')} to i64")
        self.branch(self.emit(f"icmp uge i64 {index}, {store.spec.max_entries}"), "outside", "inside")
        self.branch(self.emit(f"trunc i64 {plain} to i1"), "exists", "there")
        self.branch(self.emit(f"icmp ne i64 {plain}, %flags"), "wrong", "store")
        cpus = store.system.cpus if isinstance(store, PerCpuArrayMap) else 1
        at = self.emit(f"add i64 {self.emit(f'mul i64 {index}, {store.stride * cpus}')}, {store.values.base}")
        if isinstance(store, PerCpuArrayMap):
            at = self.emit(f"add i64 {at}, {self.mine(store.stride)}")
        self._copy(self.host(at), "%value", store.spec.value_size)
        self._end("0")
        for name, value in (("wrong", -errno.EINVAL), ("outside", -errno.E2BIG), ("exists", -errno.EEXIST)):
            self.label(name)
            self._end(str(value))
        self.text.append("}")
