"""The lists of LRU maps as LLVM IR: what emulator.maps.lru_list does, in the same order.

    i64 @pop<n>(base, st, i64)        CommonLru.pop; 0 where Python has to be asked, and nothing was done
    void @push<n>(base, st, node)     CommonLru.push

An element's node is the address of its links, behind the table's. Elements that were never used are Python's to make:
it is asked where free ones do not do. Loops end however memory looks, for in mode `safe` a program may
have written to it.
"""

from __future__ import annotations

from bpfvm.emulator.maps.lru_hash import LruHashMap, LruPerCpuHashMap
from bpfvm.emulator.maps.lru_list import (
    ACTIVE,
    AGING,
    COUNTS,
    CPU,
    FREE,
    FRESH,
    INACTIVE,
    LOCAL,
    MOST,
    PENDING,
    ROTATION,
    STATE,
    STEAL,
    USED,
    CommonLru,
)
from bpfvm.emulator.maps.table import HASH, HEADER
from bpfvm.emulator.native.changes import Changer

NEXT = 4  # of a node, to the next one
Lru = LruHashMap | LruPerCpuHashMap


class Lists(Changer):
    """The functions of one map's lists on their way to text."""

    def write_lists(self, store: Lru) -> None:
        """Append the definitions."""
        assert isinstance(store.lists, CommonLru)
        self._control, self._batch = store.lists.control, store.lists.batch
        self._most = store.capacity + store.system.cpus  # elements that a list can have
        self._leave()
        self._moved()
        self._give_up()
        self._rotate_active()
        self._rotate_inactive()
        self._shrink()
        self._refill()
        self._enough()
        self._pop_free()
        self._pop_pending()
        self._steal(store.system.cpus)
        self._pop()
        self._push()

    # words and loops

    def _word32(self, address: str) -> str:
        return self.emit(f"trunc i64 {address} to i32")

    def _wide(self, word: str) -> str:
        return self.emit(f"zext i32 {word} to i64")

    def _of_control(self, place: int) -> str:
        return str(self._control + 4 * place)

    def _head(self, kind: int) -> str:
        return str(self._control + 8 * kind)

    def _first(self, head: str) -> str:
        return self._wide(self.at32(head, NEXT))

    def _last(self, head: str) -> str:
        return self._wide(self.at32(head))

    def _var(self, value: str) -> str:
        """A variable, made in a function's first block."""
        name = self.emit("alloca i64")
        self._set(name, value)
        return name

    def _get(self, variable: str) -> str:
        return self.emit(f"load i64, ptr {variable}")

    def _set(self, variable: str, value: str) -> None:
        self.line(f"store i64 {value}, ptr {variable}")

    def _if(self, condition: str, yes: str, no: str) -> None:
        """Go one of two ways; the first begins."""
        self.line(f"br i1 {condition}, label %{yes}, label %{no}")
        self.label(yes)

    def _go(self, label: str, begin: str | None = None) -> None:
        """Go to a block; another one begins, the same one unless it is named."""
        self.line(f"br label %{label}")
        self.label(begin or label)

    def _turn(self, turns: str, most: int) -> None:
        """The head of a loop, `loop`: it goes on in `more`, and after so many turns in `out`."""
        self._go("loop")
        left = self._get(turns)
        self._if(self.emit(f"icmp ult i64 {left}, {most}"), "more", "out")
        self._set(turns, self.emit(f"add i64 {left}, 1"))

    def _equal(self, a: str, b: str) -> str:
        return self.emit(f"icmp eq i64 {a}, {b}")

    def _call(self, name: str, *words: str) -> None:
        passed = "".join(f", i64 {word}" for word in words)
        self.line(f"call void @{name}{self.number}(ptr %base, ptr %st{passed})")

    def _ask(self, name: str, *words: str) -> str:
        passed = "".join(f", i64 {word}" for word in words)
        return self.emit(f"call i64 @{name}{self.number}(ptr %base, ptr %st{passed})")

    def _close(self, value: str | None = None) -> None:
        """End a function."""
        self.line("ret void" if value is None else f"ret i64 {value}")
        self.text.append("}")

    # nodes

    def _node_out(self, node: str) -> None:
        """Links.unlink"""
        before, behind = self.at32(node), self.at32(node, NEXT)
        self.store32(self._wide(before), behind, NEXT)
        self.store32(self._wide(behind), before)

    def _node_in(self, node: str, head: str) -> None:
        """Links.push"""
        low = self._word32(node)
        behind = self.at32(head, NEXT)
        self.store32(node, self._word32(head))
        self.store32(node, behind, NEXT)
        self.store32(self._wide(behind), low)
        self.store32(head, low, NEXT)

    def _state(self, node: str, kind: str) -> None:
        """Note which list a node is in; the CPU stays. kind: an i32."""
        rest = self.emit(f"and i32 {self.at32(node, STATE)}, -256")
        self.store32(node, self.emit(f"or i32 {rest}, {kind}"), STATE)

    def _is_used(self, node: str) -> str:
        return self.emit(f"icmp ne i32 {self.at32(node, USED)}, 0")

    def _aged(self, node: str) -> str:
        """The list that aging puts a node in."""
        return self.emit(f"select i1 {self._is_used(node)}, i64 {ACTIVE}, i64 {INACTIVE}")

    # Aging

    def _leave(self) -> None:
        self._begin("leave", "i64 %node", "void")
        kind = self.emit(f"and i32 {self.at32('%node', STATE)}, 255")
        self._if(self.emit(f"icmp ult i32 {kind}, {FREE}"), "counted", "on")
        self._count(self._wide(kind), -1)
        self._go("on")
        rotation = self._of_control(ROTATION)
        self._if(self.emit(f"icmp eq i32 {self.at32(rotation)}, {self._word32('%node')}"), "turn", "out")
        self.store32(rotation, self.at32("%node"))
        self._go("out")
        self._close()

    def _count(self, kind: str, more: int) -> None:
        place = self.emit(f"add i64 {self.emit(f'shl i64 {kind}, 2')}, {self._of_control(COUNTS)}")
        self.store32(place, self.emit(f"add i32 {self.at32(place)}, {more}"))

    def _moved(self) -> None:
        """Aging.move, and move_in of what is in none of its lists."""
        self._begin("moved", "i64 %node, i64 %kind", "void")
        self._call("leave", "%node")
        self._node_out("%node")
        self._node_in("%node", self.emit(f"add i64 {self.emit('shl i64 %kind, 3')}, {self._control}"))
        self._state("%node", self._word32("%kind"))
        self.store32("%node", "0", USED)
        self._if(self.emit(f"icmp ult i64 %kind, {FREE}"), "counted", "out")
        self._count("%kind", 1)
        self._go("out")
        self._close()

    def _move_out(self, node: str, head: str) -> None:
        """Aging.move_out to a CPU's list."""
        self._call("leave", node)
        self._node_out(node)
        self._node_in(node, head)
        self._state(node, str(LOCAL))

    def _give_up(self) -> None:
        """LruHashed._drop: take the element of a node out of its bucket."""
        self._begin("drop", "i64 %node", "void")
        element = self.emit(f"sub i64 %node, {HEADER}")
        passed = f"i64 {element}, i32 {self.at32(element, HASH)}"
        self.line(f"call void @unlink{self.number}(ptr %base, ptr %st, {passed})")
        self._close()

    def _rotate_active(self) -> None:
        self._begin("active", "i64 %unused", "void")
        turns, node = self._var("0"), self._var(self._last(self._head(ACTIVE)))
        first = self._first(self._head(ACTIVE))
        self._turn(turns, MOST)
        here = self._get(node)
        self.branch(self._equal(here, self._head(ACTIVE)), "out", "look")
        self._set(node, self._last(here))
        self._call("moved", here, self._aged(here))
        self.line(f"br i1 {self._equal(here, first)}, label %out, label %loop")
        self.label("out")
        self._close()

    def _rotate_inactive(self) -> None:
        head, rotation = self._head(INACTIVE), self._of_control(ROTATION)
        self._begin("inactive", "i64 %unused", "void")
        turns, left = self._var("0"), self._var(str(MOST))
        node, before = self._var(self._last(rotation)), self._var(head)
        self.branch(self._equal(self._first(head), head), "none", "some")
        behind = self._first(self._get(node))
        end = self.emit(f"select i1 {self._equal(behind, head)}, i64 {self._first(behind)}, i64 {behind}")
        self._turn(turns, 2 * MOST)  # each second one at most is at the head
        here = self._get(node)
        self._if(self._equal(here, head), "over", "look")
        self._set(node, self._last(here))
        self._go("loop", "look")
        previous = self._last(here)
        self._set(before, previous)
        self._if(self._is_used(here), "used", "on")
        self._call("moved", here, str(ACTIVE))
        self._go("on")
        self.branch(self._equal(here, end), "out", "further")
        self._set(node, previous)
        rest = self.emit(f"sub i64 {self._get(left)}, 1")
        self._set(left, rest)
        self.line(f"br i1 {self._equal(rest, '0')}, label %out, label %loop")
        self.label("out")
        self.store32(rotation, self._word32(self._get(before)))
        self._go("none")
        self._close()

    def _shrink(self) -> None:
        """Aging.shrink into the list of the CPU at %here."""
        inactive = self._head(INACTIVE)
        self._begin("shrink", "i64 %here, i64 %wanted", "void")
        turns, count, node = self._var("0"), self._var("0"), self._var(self._last(inactive))
        self._turn(turns, MOST)
        here = self._get(node)
        enough = self._equal(self._get(count), "%wanted")
        self.branch(self.emit(f"or i1 {self._equal(here, inactive)}, {enough}"), "out", "look")
        self._set(node, self._last(here))
        self._if(self._is_used(here), "used", "idle")
        self._call("moved", here, str(ACTIVE))
        self._go("loop", "idle")
        self._call("drop", here)
        self._move_out(here, "%here")
        self._set(count, self.emit(f"add i64 {self._get(count)}, 1"))
        self._go("loop", "out")
        self._if(self._equal(self._get(count), "0"), "nothing", "done")
        empty = self._equal(self._first(inactive), inactive)
        oldest = self.emit(f"select i1 {empty}, i64 {self._head(ACTIVE)}, i64 {inactive}")
        last = self._last(oldest)
        self.branch(self._equal(last, oldest), "done", "one")
        self._call("drop", last)
        self._move_out(last, "%here")
        self._go("done")
        self._close()

    # CommonLru

    def _refill(self) -> None:
        """Where no element is left that was never used."""
        self._begin("pending", "i64 %here", "void")
        pending, turns = self.emit("add i64 %here, 8"), self._var("0")
        self._turn(turns, self._most)
        last = self._last(pending)
        self.branch(self._equal(last, pending), "out", "one")
        self._call("moved", last, self._aged(last))
        self._go("loop", "out")
        self._close()
        self._begin("refill", "i64 %here", "void")
        turns = self._var("0")
        self._call("pending", "%here")
        counts = [self.at32(self._of_control(COUNTS + kind)) for kind in (INACTIVE, ACTIVE)]
        self._if(self.emit(f"icmp ult i32 {counts[0]}, {counts[1]}"), "many", "few")
        self._call("active", "0")
        self._go("few")
        self._call("inactive", "0")
        self._turn(turns, self._batch)
        free = self._first(self._head(FREE))
        self.branch(self._equal(free, self._head(FREE)), "short", "one")
        self._move_out(free, "%here")
        self._go("loop", "short")
        left = self.emit(f"sub i64 {self._batch + 1}, {self._get(turns)}")  # the last turn found none
        self._call("shrink", "%here", left)
        self._go("out")
        self._close()

    def _enough(self) -> None:
        """Whether as many elements are free as a CPU takes, so that none has to be made."""
        free = self._head(FREE)
        self._begin("enough", "i64 %unused")
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
        return self.emit(f"add i64 {self.emit(f'mul i64 {cpu}, {4 * CPU}')}, {self._of_control(AGING)}")

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
        cpu = self.mine(1)
        here = self._here(cpu)
        node = self._var(self._ask("local", here))
        self._if(self._equal(self._get(node), "0"), "empty", "some")
        unused = self.emit(f"icmp ne i32 {self.at32(self._of_control(FRESH))}, 0")
        self._if(unused, "count", "fill")
        self.branch(self._equal(self._ask("enough", "0"), "0"), "ask", "sure")
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
        self.store32(found, "0", USED)
        self._node_in(found, self.emit(f"add i64 {here}, 8"))
        self._end(found)
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
        self.store32("%node", "0", USED)
        self._node_out("%node")
        self._node_in("%node", self._here(self._wide(self.emit(f"lshr i32 {state}, 8"))))
        self.line("ret void")
        self.label("aging")
        self._call("moved", "%node", str(FREE))
        self._close()
