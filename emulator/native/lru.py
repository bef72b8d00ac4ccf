"""Updates and deletions of LRU maps as LLVM IR, over the lists of emulator.maps.lru_list.

    void @drop<n>(base, st, node)        CommonLru.push: an element that is in no table is taken back
    i64 @pop<n>(base, st, i64)           CommonLru.pop of what the CPU has at hand: 0 where that is nothing

An element's node is the address of its links, behind the table's. Where a CPU has no element at hand, nothing was done
yet, and Python does the whole update: it makes room for as many as a batch at once, so that most updates need no call.
"""

from __future__ import annotations

import errno

from bpfvm.emulator.maps.lru_hash import LruHashMap, LruPerCpuHashMap
from bpfvm.emulator.maps.lru_list import AGING, COUNTS, CPU, FREE, LOCAL, PENDING, ROTATION, STATE, USED, CommonLru
from bpfvm.emulator.maps.store import EXIST, NOEXIST
from bpfvm.emulator.maps.table import HEADER
from bpfvm.emulator.native.changes import ASK, LRUS, Changer

NEXT = 4  # of a node, to the next one


class LruChanger(Changer):
    """The functions of one map on their way to text."""

    def write(self) -> list[str]:
        """The text of the definitions."""
        store = self.store
        assert isinstance(store, LRUS)
        assert isinstance(store.lists, CommonLru)
        self._control = store.lists.control
        store.table.share()
        self._element(store)
        self._unlink(store)
        self._insert(store)
        self._drop()
        self._pop()
        if isinstance(store, LruHashMap):
            self._update_moving(store)
        else:
            self._update_in_place(store)
        self._delete()
        return self.text

    # lists

    def _node_out(self, node: str) -> None:
        """Links.unlink"""
        before, behind = (self.at32(node, off) for off in (0, NEXT))
        self.store32(self.emit(f"zext i32 {before} to i64"), behind, NEXT)
        self.store32(self.emit(f"zext i32 {behind} to i64"), before)

    def _node_in(self, node: str, head: str) -> None:
        """Links.push"""
        low = self.emit(f"trunc i64 {node} to i32")
        behind = self.at32(head, NEXT)
        self.store32(node, self.emit(f"trunc i64 {head} to i32"))
        self.store32(node, behind, NEXT)
        self.store32(self.emit(f"zext i32 {behind} to i64"), low)
        self.store32(head, low, NEXT)

    def _here(self, cpu: str) -> str:
        """The head of a CPU's free elements; that of its pending ones is 8 bytes on. cpu: an i64."""
        return self.emit(f"add i64 {self.emit(f'mul i64 {cpu}, {4 * CPU}')}, {self._control + 4 * AGING}")

    def _pop(self) -> None:
        self._begin("pop", "i64 %unused")
        cpu = self.mine(1)
        here = self._here(cpu)
        node = self.emit(f"zext i32 {self.at32(here, NEXT)} to i64")
        self._branch(self.emit(f"icmp eq i64 {node}, {here}"), "none", "some")
        self._node_out(node)
        state = self.emit(f"or i64 {self.emit(f'shl i64 {cpu}, 8')}, {PENDING}")
        self.store32(node, self.emit(f"trunc i64 {state} to i32"), STATE)
        self.store32(node, "0", USED)
        self._node_in(node, self.emit(f"add i64 {here}, 8"))
        self._end(node)
        self.label("none")
        self._end("0")
        self.text.append("}")

    def _drop(self) -> None:
        self._begin("drop", "i64 %node", "void")
        state = self.at32("%node", STATE)
        kind = self.emit(f"and i32 {state}, 255")
        rest = self.emit(f"and i32 {state}, -256")
        self._branch(self.emit(f"icmp ne i32 {kind}, {PENDING}"), "aging", "pending")
        self.store32("%node", self.emit(f"or i32 {rest}, {LOCAL}"), STATE)
        self.store32("%node", "0", USED)
        self._node_out("%node")
        self._node_in("%node", self._here(self.emit(f"zext i32 {self.emit(f'lshr i32 {state}, 8')} to i64")))
        self.line("ret void")
        self.label("aging")  # Aging.move to the free list
        self._branch(self.emit(f"icmp uge i32 {kind}, {FREE}"), "left", "counted")
        place = self.emit(f"shl i64 {self.emit(f'zext i32 {kind} to i64')}, 2")
        counter = self.emit(f"add i64 {place}, {self._control + 4 * COUNTS}")
        self.store32(counter, self.emit(f"sub i32 {self.at32(counter)}, 1"))
        self.line("br label %left")
        self.label("left")
        rotation = str(self._control + 4 * ROTATION)
        there = self.emit(f"icmp eq i32 {self.at32(rotation)}, {self.emit('trunc i64 %node to i32')}")
        self.line(f"br i1 {there}, label %turn, label %move")
        self.label("turn")
        self.store32(rotation, self.at32("%node"))
        self.line("br label %move")
        self.label("move")
        self._node_out("%node")
        self._node_in("%node", str(self._control + 8 * FREE))
        self.store32("%node", self.emit(f"or i32 {rest}, {FREE}"), STATE)
        self.store32("%node", "0", USED)
        self.line("ret void")
        self.text.append("}")

    # what programs call

    def _give_back(self, element: str) -> None:
        node = self.emit(f"add i64 {element}, {HEADER}")
        self.line(f"call void @drop{self.number}(ptr %base, ptr %st, i64 {node})")

    def _mark(self, element: str) -> None:
        """Note that an element was used."""
        self.store32(element, "1", HEADER + USED)

    def _taken(self, name: str) -> str:
        """An element from the lists; to "ask" where there is none at hand. Block `name` begins."""
        node = self.emit(f"call i64 @pop{self.number}(ptr %base, ptr %st, i64 0)")
        self._branch(self.emit(f"icmp eq i64 {node}, 0"), "ask", name)
        return self.emit(f"sub i64 {node}, {HEADER}")

    def _sought(self) -> tuple[str, str]:
        """The element of the key, 0 for none, and the key's hash."""
        both = self.emit(f"call i64 @element{self.number}(ptr %base, ptr %st, ptr %key)")
        hashed = self.emit(f"trunc i64 {self.emit(f'lshr i64 {both}, 32')} to i32")
        return self.emit(f"and i64 {both}, 4294967295"), hashed

    def _begin_update(self) -> None:
        self._begin("update", "ptr %key, ptr %value, i64 %flags")
        self._branch(self.emit(f"icmp ugt i64 %flags, {EXIST}"), "wrong", "known")

    def _end_update(self) -> None:
        for name, value in (("ask", ASK), ("wrong", -errno.EINVAL)):
            self.label(name)
            self._end(str(value))
        self.text.append("}")

    def _linked(self, element: str, hashed: str) -> None:
        self.line(f"call void @insert{self.number}(ptr %base, ptr %st, i64 {element}, ptr %key, i32 {hashed})")

    def _update_moving(self, store: LruHashMap) -> None:
        """LruHashMap.update"""
        self._begin_update()
        element = self._taken("taken")
        self._put(store, element)
        old, hashed = self._sought()
        self._branch(self.emit(f"icmp eq i64 {old}, 0"), "absent", "present")
        self._branch(self.emit(f"icmp eq i64 %flags, {NOEXIST}"), "exists", "change")
        self.line(f"call void @unlink{self.number}(ptr %base, ptr %st, i64 {old}, i32 {hashed})")
        self._linked(element, hashed)
        self._mark(element)
        self._give_back(old)
        self._end("0")
        self.label("absent")
        self._branch(self.emit(f"icmp eq i64 %flags, {EXIST}"), "missing", "new")
        self._linked(element, hashed)
        self._end("0")
        for name, value in (("exists", -errno.EEXIST), ("missing", -errno.ENOENT)):
            self.label(name)
            self._give_back(element)
            self._end(str(value))
        self._end_update()

    def _update_in_place(self, store: LruPerCpuHashMap) -> None:
        """LruPerCpuHashMap._store of a program's value."""
        self._begin_update()
        self._branch(self.emit(f"icmp eq i64 %flags, {EXIST}"), "only", "any")
        element = self._taken("taken")
        old, hashed = self._sought()
        self._branch(self.emit(f"icmp eq i64 {old}, 0"), "absent", "present")
        self._branch(self.emit(f"icmp eq i64 %flags, {NOEXIST}"), "exists", "change")
        self._mark(old)
        self._put_mine(store, old)
        self._give_back(element)
        self._end("0")
        self.label("absent")
        self._zero(store, element)
        self._put_mine(store, element)
        self._linked(element, hashed)
        self._end("0")
        self.label("exists")
        self._give_back(element)
        self._end(str(-errno.EEXIST))
        self.label("only")
        there, _ = self._sought()
        self._branch(self.emit(f"icmp eq i64 {there}, 0"), "missing", "stored")
        self._mark(there)
        self._put_mine(store, there)
        self._end("0")
        self.label("missing")
        self._end(str(-errno.ENOENT))
        self._end_update()

    def _delete(self) -> None:
        self._begin("delete", "ptr %key")
        old, hashed = self._sought()
        self._branch(self.emit(f"icmp eq i64 {old}, 0"), "missing", "present")
        self.line(f"call void @unlink{self.number}(ptr %base, ptr %st, i64 {old}, i32 {hashed})")
        self._give_back(old)
        self._end("0")
        self.label("missing")
        self._end(str(-errno.ENOENT))
        self.text.append("}")
