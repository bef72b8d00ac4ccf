"""The lists of LRU maps as LLVM IR: what emulator.maps.lru_list does, in the same order.

    i64 @pop<n>(base, st, i64)        CommonLru.pop, PerCpuLru.pop: a node; 0 where Python has to be asked, and nothing
                                      was done; -1 for none
    void @push<n>(base, st, node)     their push

Where one thread runs, Python is asked when the slab has to grow; threads have all of its chunks beforehand.
"""

from __future__ import annotations

from bpfvm.emulator.maps.lru_list import (
    AGING,
    CPU,
    FEW,
    FREE,
    INACTIVE,
    LOCAL,
    MOST,
    PENDING,
    STATE,
    STEAL,
    CommonLru,
)
from bpfvm.emulator.native.maps.aging import Aging, Lru


class Lists(Aging):
    """The functions of one map's lists on their way to text."""

    def write_lists(self, store: Lru) -> None:
        """Append the definitions."""
        lists, self._control = store.lists, store.lists.control
        if not isinstance(lists, CommonLru):
            self.write_aging(store, FEW, FREE)
            self._pop_own()
            self._push_own()
            return
        self._batch = lists.batch
        self._most = store.capacity + store.system.cpus  # elements that a list can have
        self.write_aging(store, MOST, LOCAL)
        self._refill()
        self._enough()
        self._pop_free()
        self._pop_pending()
        self._steal(store.system.cpus)
        self._pop()
        self._push()

    # CommonLru

    def _refill(self) -> None:
        aging = str(self._control)
        self._begin("pending", "i64 %here", "void")
        pending, turns = self.emit("add i64 %here, 8"), self._var("0")
        self._turn(turns, self._most)
        last = self._last(pending)
        self.branch(self._equal(last, pending), "out", "one")
        self._call("moved", aging, last, self._aged(last))
        self._go("loop", "out")
        self._close()
        self._begin("refill", "i64 %here", "void")
        self._call("pending", "%here")
        self._call("rotate", aging)
        found = self._ask("gain", aging, "%here", str(self._batch))
        self._if(self.emit(f"icmp ult i64 {found}, {self._batch}"), "short", "out")
        self._call("shrink", aging, "%here", self.emit(f"sub i64 {self._batch}, {found}"))
        self._go("out")
        self._close()

    def _enough(self) -> None:
        """Whether as many elements are free as a CPU takes, so that none has to be made."""
        self._begin("enough", "i64 %aging")
        free = self._head(FREE)
        turns, node = self._var("0"), self._var(free)
        self._turn(turns, self._batch)
        behind = self._first(self._get(node))
        self._set(node, behind)
        self.line(f"br i1 {self._equal(behind, free)}, label %few, label %loop")
        self.label("few")
        self._end("0")
        self.label("out")
        self._close("1")

    def _pop_free(self) -> None:
        self._begin("local", "i64 %here")
        node = self._first("%here")
        self.branch(self._equal(node, "%here"), "none", "some")
        self._node_out(node)
        self._end(node)
        self.label("none")
        self._close("0")

    def _pop_pending(self) -> None:
        self._begin("oldest", "i64 %here")
        turns, pending = self._var("0"), self.emit("add i64 %here, 8")
        oldest = self._last(pending)
        node = self._var(oldest)
        self._turn(turns, self._most)
        here = self._get(node)
        self.branch(self._equal(here, pending), "out", "look")
        self._set(node, self._last(here))
        self._if(self._is_used(here), "used", "idle")
        self._go("loop", "idle")
        self._set(node, here)
        self._go("out")
        end = self._get(node)
        found = self.emit(f"select i1 {self._equal(end, pending)}, i64 {oldest}, i64 {end}")
        self.branch(self._equal(found, pending), "none", "some")
        self._call("drop", found)
        self._node_out(found)
        self._end(found)
        self.label("none")
        self._close("0")

    def _here(self, cpu: str) -> str:
        """The head of a CPU's free elements; that of its pending ones is 8 bytes on. cpu: an i64."""
        return self.emit(f"add i64 {self.emit(f'mul i64 {cpu}, {4 * CPU}')}, {self._control + 4 * AGING}")

    def _steal(self, cpus: int) -> None:
        self._begin("steal", "i64 %here")
        turns, found, place = self._var("0"), self._var("0"), self.emit(f"add i64 %here, {4 * STEAL}")
        cpu = self._var(self._wide(self.at32(place)))
        self._turn(turns, cpus)
        there = self._here(self._get(cpu))
        next_ = self.emit(f"urem i64 {self.emit(f'add i64 {self._get(cpu)}, 1')}, {cpus}")
        self._set(cpu, next_)
        self._set(found, self._ask("local", there))
        self._if(self._equal(self._get(found), "0"), "seek", "see")
        self._set(found, self._ask("oldest", there))
        self._go("see")
        self.line(f"br i1 {self._equal(self._get(found), '0')}, label %loop, label %out")
        self.label("out")
        self.store32(place, self._word32(self._get(cpu)))
        self._close(self._get(found))

    def _pop(self) -> None:
        self._begin("pop", "i64 %unused")
        cpu, aging = self.mine(1), str(self._control)
        here = self._here(cpu)
        node = self._var(self._ask("local", here))
        self._if(self._equal(self._get(node), "0"), "empty", "some")
        if self.lock is None:
            self._if(self._lacks(aging, self._batch), "count", "fill")
            self.branch(self._equal(self._ask("enough", aging), "0"), "ask", "sure")
            self._go("fill")
        self._call("refill", here)
        self._set(node, self._ask("local", here))
        self._if(self._equal(self._get(node), "0"), "seek", "some")
        self._set(node, self._ask("steal", here))
        self._go("some")
        found = self._get(node)
        self.branch(self._equal(found, "0"), "none", "found")
        state = self.emit(f"or i64 {self.emit(f'shl i64 {cpu}, 8')}, {PENDING}")
        self.store32(found, self._word32(state), STATE)
        self._unmark(found)
        self._node_in(found, self.emit(f"add i64 {here}, 8"))
        self._popped(found)

    def _popped(self, found: str) -> None:
        """The end of @pop."""
        self._end(found)
        if self.lock is None:
            self.label("ask")
            self._end("0")
        self.label("none")
        self._close("-1")

    def _push(self) -> None:
        self._begin("push", "i64 %node", "void")
        state = self.at32("%node", STATE)
        kind = self.emit(f"and i32 {state}, 255")
        self._if(self.emit(f"icmp eq i32 {kind}, {PENDING}"), "pending", "aging")
        self._state("%node", str(LOCAL))
        self._unmark("%node")
        self._node_out("%node")
        self._node_in("%node", self._here(self._wide(self.emit(f"lshr i32 {state}, 8"))))
        self.line("ret void")
        self.label("aging")
        self._call("moved", str(self._control), "%node", str(FREE))
        self._close()

    # PerCpuLru

    def _own(self, cpu: str) -> str:
        """The aging of a CPU. cpu: an i64."""
        return self.emit(f"add i64 {self.emit(f'mul i64 {cpu}, {4 * AGING}')}, {self._control}")

    def _pop_own(self) -> None:
        self._begin("pop", "i64 %unused")
        cpu = self.mine(1)
        aging = self._own(cpu)
        free = self._head(FREE, aging)
        if self.lock is None:
            self._if(self._equal(self._first(free), free), "empty", "begin")
            self.branch(self._lacks(aging, 1), "ask", "sure")
            self._go("begin")
        self._call("rotate", aging)
        self._if(self._equal(self._first(free), free), "fill", "some")
        self._if(self._equal(self._ask("gain", aging, free, "1"), "0"), "full", "some")
        self._call("shrink", aging, free, str(FEW))
        self._go("some")
        found = self._first(free)
        self.branch(self._equal(found, free), "none", "found")
        kind = self.emit(f"and i32 {self.at32(found, STATE)}, 255")
        mine = self._word32(self.emit(f"shl i64 {cpu}, 8"))
        self.store32(found, self.emit(f"or i32 {kind}, {mine}"), STATE)
        self._call("moved", aging, found, str(INACTIVE))
        self._popped(found)

    def _push_own(self) -> None:
        self._begin("push", "i64 %node", "void")
        cpu = self._wide(self.emit(f"lshr i32 {self.at32('%node', STATE)}, 8"))
        self._call("moved", self._own(cpu), "%node", str(FREE))
        self._close()
