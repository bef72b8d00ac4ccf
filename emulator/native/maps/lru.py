"""Updates and deletions of LRU maps as LLVM IR: emulator.maps.lru_hash, over lists.py."""

from __future__ import annotations

import errno

from bpfvm.emulator.maps.lru_hash import LruHashMap, LruPerCpuHashMap
from bpfvm.emulator.maps.lru_list import USED
from bpfvm.emulator.maps.store import EXIST, NOEXIST
from bpfvm.emulator.maps.table import HEADER
from bpfvm.emulator.native.maps.changes import ASK, LRUS
from bpfvm.emulator.native.maps.lists import Lists


class LruChanger(Lists):
    """The functions of one map on their way to text."""

    def write(self) -> list[str]:
        """The text of the definitions."""
        store = self.store
        assert isinstance(store, LRUS)
        store.table.share()
        if self.lock is not None:
            self._chunks(store)
        self._element(store)
        self._unlink(store)
        self._take(store)
        self._insert(store)
        self.write_lists(store)
        if isinstance(store, LruHashMap):
            self._update_moving(store)
        else:
            self._update_in_place(store)
        self._delete()
        return self.text

    # what programs call

    def _give_back(self, element: str) -> None:
        self._call("push", self.emit(f"add i64 {element}, {HEADER}"))

    def _mark(self, element: str) -> None:
        """Note that an element was used."""
        self.set_mark(self.host(element, HEADER + USED), 1)

    def _taken(self, name: str) -> str:
        """An element from the lists; to "ask" where Python has to make some for one thread. Block `name` begins."""
        node = self._ask("pop", "0")
        if self.lock is None:
            self.branch(self._equal(node, "0"), "ask", "asked")
        self.branch(self._equal(node, "-1"), "full", name)
        return self.emit(f"sub i64 {node}, {HEADER}")

    def _sought(self) -> tuple[str, str]:
        """The element of the key, 0 for none, and the key's hash."""
        both = self.emit(f"call i64 @element{self.number}(ptr %base, ptr %st, ptr %key)")
        hashed = self.emit(f"trunc i64 {self.emit(f'lshr i64 {both}, 32')} to i32")
        return self.emit(f"and i64 {both}, 4294967295"), hashed

    def _begin_update(self) -> None:
        self._begin_call("update", "ptr %key, ptr %value, i64 %flags")
        self.branch(self.emit(f"icmp ugt i64 %flags, {EXIST}"), "wrong", "known")

    def _end_update(self) -> None:
        asked = [("ask", ASK)] if self.lock is None else []
        for name, value in (*asked, ("wrong", -errno.EINVAL), ("full", -errno.ENOMEM)):
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
        self.branch(self.emit(f"icmp eq i64 {old}, 0"), "absent", "present")
        self.branch(self.emit(f"icmp eq i64 %flags, {NOEXIST}"), "exists", "change")
        self.line(f"call void @unlink{self.number}(ptr %base, ptr %st, i64 {old}, i32 {hashed})")
        self._linked(element, hashed)
        self._mark(element)
        self._give_back(old)
        self._end("0")
        self.label("absent")
        self.branch(self.emit(f"icmp eq i64 %flags, {EXIST}"), "missing", "new")
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
        self.branch(self.emit(f"icmp eq i64 %flags, {EXIST}"), "only", "any")
        element = self._taken("taken")
        old, hashed = self._sought()
        self.branch(self.emit(f"icmp eq i64 {old}, 0"), "absent", "present")
        self.branch(self.emit(f"icmp eq i64 %flags, {NOEXIST}"), "exists", "change")
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
        self.branch(self.emit(f"icmp eq i64 {there}, 0"), "missing", "stored")
        self._mark(there)
        self._put_mine(store, there)
        self._end("0")
        self.label("missing")
        self._end(str(-errno.ENOENT))
        self._end_update()

    def _delete(self) -> None:
        self._begin_call("delete", "ptr %key")
        old, hashed = self._sought()
        self.branch(self.emit(f"icmp eq i64 {old}, 0"), "missing", "present")
        self.line(f"call void @unlink{self.number}(ptr %base, ptr %st, i64 {old}, i32 {hashed})")
        self._give_back(old)
        self._end("0")
        self.label("missing")
        self._end(str(-errno.ENOENT))
        self.text.append("}")
