"""Lists of an LRU map's elements by age as LLVM IR: emulator.maps.lru_list.Aging, in the same order.

    void @leave<n>(base, st, aging, node)             Aging._leave
    void @moved<n>(base, st, aging, node, kind)       Aging.move, and move_in of what is in none of its lists
    void @rotate<n>(base, st, aging)                  Aging.rotate
    i64 @gain<n>(base, st, aging, head, most)         Aging.take: how many free and never used elements it moved
    void @shrink<n>(base, st, aging, head, wanted)    Aging.shrink

aging: the guest address of its words. An element's node is the address of its links, behind the table's. Loops end
however memory looks, for in mode `safe` a program may have written to it.
"""

from __future__ import annotations

from bpfvm.emulator.maps.lru_hash import LruHashMap, LruPerCpuHashMap
from bpfvm.emulator.maps.lru_list import ACTIVE, COUNTS, FREE, FRESH, INACTIVE, ROTATION, STATE, USED
from bpfvm.emulator.maps.slab import ELEMENTS_END, Slab
from bpfvm.emulator.maps.slab import FRESH as SLAB_FRESH
from bpfvm.emulator.maps.table import HASH, HEADER
from bpfvm.emulator.native.maps.changes import Changer

NEXT = 4  # of a node, to the next one
Lru = LruHashMap | LruPerCpuHashMap


class Aging(Changer):
    """The functions of one map's lists on their way to text."""

    slab: Slab

    def write_aging(self, store: Lru, scans: int, kind: int) -> None:
        """Append the definitions. scans: elements that are looked at in one go. kind: of the list of elements taken."""
        self.slab, self._scans, self._kind = store.slab, scans, kind
        self._leave()
        self._moved()
        self._give_up()
        self._rotate_active()
        self._rotate_inactive()
        self._rotate()
        self._gain()
        self._shrink()

    # words and loops

    def _word32(self, address: str) -> str:
        return self.emit(f"trunc i64 {address} to i32")

    def _wide(self, word: str) -> str:
        return self.emit(f"zext i32 {word} to i64")

    def _of_aging(self, place: int, aging: str = "%aging") -> str:
        """The address of a word."""
        return self.emit(f"add i64 {aging}, {4 * place}")

    def _head(self, kind: int, aging: str = "%aging") -> str:
        return self.emit(f"add i64 {aging}, {8 * kind}")

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

    def _turn(self, turns: str, most: int | str) -> None:
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
        return self.emit(f"icmp ne i32 {self.mark_of(self.host(node, USED))}, 0")

    def _unmark(self, node: str) -> None:
        self.set_mark(self.host(node, USED), 0)

    def _aged(self, node: str) -> str:
        """The list that aging puts a node in."""
        return self.emit(f"select i1 {self._is_used(node)}, i64 {ACTIVE}, i64 {INACTIVE}")

    # Aging

    def _leave(self) -> None:
        self._begin("leave", "i64 %aging, i64 %node", "void")
        kind = self.emit(f"and i32 {self.at32('%node', STATE)}, 255")
        self._if(self.emit(f"icmp ult i32 {kind}, {FREE}"), "counted", "on")
        self._count(self._wide(kind), -1)
        self._go("on")
        rotation = self._of_aging(ROTATION)
        self._if(self.emit(f"icmp eq i32 {self.at32(rotation)}, {self._word32('%node')}"), "turn", "out")
        self.store32(rotation, self.at32("%node"))
        self._go("out")
        self._close()

    def _count(self, kind: str, more: int) -> None:
        place = self.emit(f"add i64 {self.emit(f'shl i64 {kind}, 2')}, {self._of_aging(COUNTS)}")
        self.store32(place, self.emit(f"add i32 {self.at32(place)}, {more}"))

    def _moved(self) -> None:
        self._begin("moved", "i64 %aging, i64 %node, i64 %kind", "void")
        self._call("leave", "%aging", "%node")
        self._node_out("%node")
        self._node_in("%node", self.emit(f"add i64 {self.emit('shl i64 %kind, 3')}, %aging"))
        self._state("%node", self._word32("%kind"))
        self._unmark("%node")
        self._if(self.emit(f"icmp ult i64 %kind, {FREE}"), "counted", "out")
        self._count("%kind", 1)
        self._go("out")
        self._close()

    def _move_out(self, node: str, head: str, aging: str = "%aging") -> None:
        """Aging.move_out"""
        self._call("leave", aging, node)
        self._node_out(node)
        self._node_in(node, head)
        self._state(node, str(self._kind))

    def _give_up(self) -> None:
        """LruHashed._drop: take the element of a node out of its bucket."""
        self._begin("drop", "i64 %node", "void")
        element = self.emit(f"sub i64 %node, {HEADER}")
        passed = f"i64 {element}, i32 {self.at32(element, HASH)}"
        self.line(f"call void @unlink{self.number}(ptr %base, ptr %st, {passed})")
        self._close()

    def _rotate_active(self) -> None:
        self._begin("active", "i64 %aging", "void")
        head = self._head(ACTIVE)
        turns, node, first = self._var("0"), self._var(self._last(head)), self._first(head)
        self._turn(turns, self._scans)
        here = self._get(node)
        self.branch(self._equal(here, head), "out", "look")
        self._set(node, self._last(here))
        self._call("moved", "%aging", here, self._aged(here))
        self.line(f"br i1 {self._equal(here, first)}, label %out, label %loop")
        self.label("out")
        self._close()

    def _rotate_inactive(self) -> None:
        self._begin("inactive", "i64 %aging", "void")
        head, rotation = self._head(INACTIVE), self._of_aging(ROTATION)
        turns, left = self._var("0"), self._var(str(self._scans))
        node, before = self._var(self._last(rotation)), self._var(head)
        self.branch(self._equal(self._first(head), head), "none", "some")
        behind = self._first(self._get(node))
        end = self.emit(f"select i1 {self._equal(behind, head)}, i64 {self._first(behind)}, i64 {behind}")
        self._turn(turns, 2 * self._scans)  # each second one at most is at the head
        here = self._get(node)
        self._if(self._equal(here, head), "over", "look")
        self._set(node, self._last(here))
        self._go("loop", "look")
        previous = self._last(here)
        self._set(before, previous)
        self._if(self._is_used(here), "used", "on")
        self._call("moved", "%aging", here, str(ACTIVE))
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

    def _rotate(self) -> None:
        self._begin("rotate", "i64 %aging", "void")
        counts = [self.at32(self._of_aging(COUNTS + kind)) for kind in (INACTIVE, ACTIVE)]
        self._if(self.emit(f"icmp ult i32 {counts[0]}, {counts[1]}"), "many", "few")
        self._call("active", "%aging")
        self._go("few")
        self._call("inactive", "%aging")
        self._close()

    def _gain(self) -> None:
        """Where never used ones have to be made by Python, it has been asked before (`_lacks`)."""
        self._begin("gain", "i64 %aging, i64 %head, i64 %most")
        turns, free, fresh = self._var("0"), self._head(FREE), self._of_aging(FRESH)
        self._turn(turns, "%most")
        first = self._first(free)
        self._if(self._equal(first, free), "make", "move")
        left = self.at32(fresh)
        self.branch(self.emit(f"icmp eq i32 {left}, 0"), "short", "new")
        element = self.emit(f"call i64 @take{self.number}(ptr %base, ptr %st, i64 0)")
        self.branch(self._equal(element, "0"), "short", "made")
        self.store32(fresh, self.emit(f"sub i32 {left}, 1"))
        node = self.emit(f"add i64 {element}, {HEADER}")
        self.store32(node, str(self._kind), STATE)
        self._node_in(node, "%head")
        self._go("loop", "move")
        self._move_out(first, "%head")
        self._go("loop", "short")
        self._end(self.emit(f"sub i64 {self._get(turns)}, 1"))  # the last turn found none
        self.label("out")
        self._close("%most")

    def _lacks(self, aging: str, most: int) -> str:
        """Whether Python has to make elements before so many never used ones are taken."""
        slab, control = self.slab, str(self.slab.control)
        room = self.emit(f"sub i32 {self.at32(control, 4 * ELEMENTS_END)}, {self.at32(control, 4 * SLAB_FRESH)}")
        fresh = self.at32(self._of_aging(FRESH, aging))
        wanted = self.emit(f"select i1 {self.emit(f'icmp ult i32 {fresh}, {most}')}, i32 {fresh}, i32 {most}")
        return self.emit(f"icmp ult i32 {room}, {self.emit(f'mul i32 {wanted}, {slab.size}')}")

    def _shrink(self) -> None:
        self._begin("shrink", "i64 %aging, i64 %head, i64 %wanted", "void")
        inactive = self._head(INACTIVE)
        turns, count, node = self._var("0"), self._var("0"), self._var(self._last(inactive))
        self._turn(turns, self._scans)
        here = self._get(node)
        enough = self._equal(self._get(count), "%wanted")
        self.branch(self.emit(f"or i1 {self._equal(here, inactive)}, {enough}"), "out", "look")
        self._set(node, self._last(here))
        self._if(self._is_used(here), "used", "idle")
        self._call("moved", "%aging", here, str(ACTIVE))
        self._go("loop", "idle")
        self._call("drop", here)
        self._move_out(here, "%head")
        self._set(count, self.emit(f"add i64 {self._get(count)}, 1"))
        self._go("loop", "out")
        self._if(self._equal(self._get(count), "0"), "nothing", "done")
        empty = self._equal(self._first(inactive), inactive)
        oldest = self.emit(f"select i1 {empty}, i64 {self._head(ACTIVE)}, i64 {inactive}")
        last = self._last(oldest)
        self.branch(self._equal(last, oldest), "done", "one")
        self._call("drop", last)
        self._move_out(last, "%head")
        self._go("done")
        self._close()
