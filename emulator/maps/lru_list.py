"""Which element an LRU map gives up: lists of elements by use, aged a few at a time. Layout, in words of 4 bytes:

    element: previous | next element of its list | which list it is in, and above 8 bits its CPU | 1 once it was used
    head of a list: last | first element; an empty list's head stands for both
    aging: heads of active, inactive, free | elements in active, in inactive | where aging goes on | never used elements
    CPU: heads of its free and its pending elements | the CPU to steal from next

Using an element only marks it. Aging looks at the oldest: marked ones go to the active list, and from there unmarked
ones to the inactive list, whose oldest are given up. A CPU takes free elements in batches (1 to 128: half of its share
of the map), and what it stored since its last batch is pending, not aged yet; hence a full map loses a batch at once.
With BPF_F_NO_COMMON_LRU each CPU has lists and elements of its own, and gives up to 4 at a time. The orders are those
of 6.18, by probes (kernel_tests/maps/test_map_types_lru.py), and depend on the number of CPUs that are possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

EXTRA = 16  # bytes in each element
USED = 12  # where an element's mark is
MOST = 128  # elements that one CPU takes or ages at once
FEW = 4  # the same with lists of its own
STATE = 8
ACTIVE, INACTIVE, FREE, LOCAL, PENDING = range(5)
COUNTS, ROTATION, FRESH, AGING = 6, 8, 9, 10  # words
STEAL, CPU = 4, 5  # words of what each CPU has

Drop = Callable[[int], None]


class Links:
    """Doubly linked lists through elements and heads, both by their addresses."""

    def __init__(self, memory: memoryview) -> None:
        self.words = memory.cast("I")

    def make(self, head: int) -> None:
        self.words[head >> 2] = self.words[head + 4 >> 2] = head

    def first(self, head: int) -> int:
        """The first element of a list, its head where there is none; also the element behind one."""
        return self.words[head + 4 >> 2]

    def last(self, head: int) -> int:
        """The last element of a list, its head where there is none; also the element before one."""
        return self.words[head >> 2]

    def move(self, node: int, head: int) -> None:
        """Take an element out of its list and put it first in another."""
        self.unlink(node)
        self.push(node, head)

    def unlink(self, node: int) -> None:
        words = self.words
        before, behind = words[node >> 2], words[node + 4 >> 2]
        words[before + 4 >> 2], words[behind >> 2] = behind, before

    def push(self, node: int, head: int) -> None:
        """Put an element that is in no list first in one."""
        words = self.words
        behind = words[head + 4 >> 2]
        words[node >> 2], words[node + 4 >> 2] = head, behind
        words[behind >> 2] = words[head + 4 >> 2] = node


class Aging:
    """Active, inactive and free elements. scans: how many are looked at in one go. fresh: never used ones, at first."""

    def __init__(self, links: Links, base: int, scans: int, fresh: int, make: Callable[[], int], drop: Drop) -> None:
        """make: a never used element. drop: takes one that is given up out of its table."""
        self._links, self._scans, self._make, self._drop = links, scans, make, drop
        self._words, self._base = links.words, base >> 2
        self._heads = (base, base + 8, base + 16)
        for head in self._heads:
            links.make(head)
        self._words[self._base + ROTATION] = self._heads[INACTIVE]
        self._words[self._base + FRESH] = fresh

    def rotate(self) -> None:
        """Age some elements."""
        words, counts = self._words, self._base + COUNTS
        if words[counts + INACTIVE] < words[counts + ACTIVE]:
            self._rotate_active()
        self._rotate_inactive()

    def take(self, head: int, kind: int, wanted: int) -> int:
        """Move free elements to another list: how many there were."""
        links, free, count = self._links, self._heads[FREE], 0
        while count < wanted and links.first(free) != free:
            self.move_out(links.first(free), head, kind)
            count += 1
        while count < wanted and self._words[self._base + FRESH]:
            self._words[self._base + FRESH] -= 1
            node = self._make()
            self._words[node + STATE >> 2] = kind
            links.push(node, head)
            count += 1
        return count

    def shrink(self, head: int, kind: int, wanted: int) -> None:
        """Give up elements for another list: unused ones of those that are looked at, else the oldest of all."""
        links, inactive, count = self._links, self._heads[INACTIVE], 0
        node = links.last(inactive)
        for _ in range(self._scans):
            if node == inactive or count == wanted:
                break
            before = links.last(node)
            if self._words[node + USED >> 2]:
                self.move(node, ACTIVE)
            else:
                self._drop(node)
                self.move_out(node, head, kind)
                count += 1
            node = before
        if not count:
            oldest = self._heads[INACTIVE if links.first(inactive) != inactive else ACTIVE]
            node = links.last(oldest)
            if node != oldest:
                self._drop(node)
                self.move_out(node, head, kind)

    def move(self, node: int, kind: int) -> None:
        """Put an element of these lists first in another of them, its mark taken away."""
        words = self._words
        self._leave(node)
        self._links.move(node, self._heads[kind])
        self._arrive(node, kind)
        words[node + USED >> 2] = 0

    def move_in(self, node: int) -> None:
        """Take over a pending element."""
        kind = ACTIVE if self._words[node + USED >> 2] else INACTIVE
        self._links.move(node, self._heads[kind])
        self._arrive(node, kind)
        self._words[node + USED >> 2] = 0

    def move_out(self, node: int, head: int, kind: int) -> None:
        """Put an element of these lists first in a list that is none of them, or in the free one."""
        self._leave(node)
        self._links.move(node, head)
        state = node + STATE >> 2
        self._words[state] = self._words[state] & ~0xFF | kind

    @property
    def free(self) -> int:
        """The head of the free list."""
        return self._heads[FREE]

    def _leave(self, node: int) -> None:
        words = self._words
        kind, rotation = words[node + STATE >> 2] & 0xFF, self._base + ROTATION
        if kind < FREE:
            words[self._base + COUNTS + kind] -= 1
        if words[rotation] == node:
            words[rotation] = words[node >> 2]

    def _arrive(self, node: int, kind: int) -> None:
        words, state = self._words, node + STATE >> 2
        words[state] = words[state] & ~0xFF | kind
        if kind < FREE:
            words[self._base + COUNTS + kind] += 1

    def _rotate_active(self) -> None:
        links, active = self._links, self._heads[ACTIVE]
        first, node = links.first(active), links.last(active)
        for _ in range(self._scans):
            if node == active:
                break
            before = links.last(node)
            self.move(node, ACTIVE if self._words[node + USED >> 2] else INACTIVE)
            if node == first:
                break
            node = before

    def _rotate_inactive(self) -> None:
        """Marked elements become active, from where the last time ended towards the newer ones, once round at most."""
        links, inactive, rotation = self._links, self._heads[INACTIVE], self._base + ROTATION
        if links.first(inactive) == inactive:
            return
        node = self._words[rotation]
        end = links.first(node)
        if end == inactive:
            end = links.first(end)
        left, before = self._scans, inactive
        while left:
            if node == inactive:
                node = links.last(node)
                continue
            before = links.last(node)
            if self._words[node + USED >> 2]:
                self.move(node, ACTIVE)
            if node == end:
                break
            node = before
            left -= 1
        self._words[rotation] = before


class CommonLru:
    """One aging for all CPUs, of which each has a batch of elements at hand. control: guest address of its words."""

    def __init__(self, system: System, name: str, entries: int, make: Callable[[], int], drop: Drop) -> None:
        self._system, self._links, self._drop = system, Links(system.arena.view), drop
        self._words = self._links.words
        self.batch = min(max(entries // system.cpus // 2, 1), MOST)
        size = 4 * (AGING + CPU * system.cpus)
        control = system.arena.allocate(f"{name} use", size, "map", writable=False, readable=False)
        self.control = control.base
        self._aging = Aging(self._links, control.base, MOST, entries, make, drop)
        self._cpus = [control.base + 4 * (AGING + CPU * cpu) for cpu in range(system.cpus)]
        for cpu, here in enumerate(self._cpus):
            self._links.make(here)
            self._links.make(here + 8)
            self._words[(here >> 2) + STEAL] = cpu

    def pop(self) -> int:
        """An element for the CPU that runs, or 0."""
        cpu = self._system.cpu
        here = self._cpus[cpu]
        node = self._pop_free(here)
        if not node:
            self._refill(here)
            node = self._pop_free(here)
        node = node or self._steal(here)
        if node:
            self._words[node + STATE >> 2] = cpu << 8 | PENDING
            self._words[node + USED >> 2] = 0
            self._links.push(node, here + 8)
        return node

    def push(self, node: int) -> None:
        """Take back an element that is in no table."""
        state = self._words[node + STATE >> 2]
        if state & 0xFF != PENDING:
            self._aging.move(node, FREE)
            return
        self._words[node + STATE >> 2] = state & ~0xFF | LOCAL
        self._words[node + USED >> 2] = 0
        self._links.move(node, self._cpus[state >> 8])

    def _refill(self, here: int) -> None:
        links, aging, pending = self._links, self._aging, here + 8
        while links.last(pending) != pending:
            aging.move_in(links.last(pending))
        aging.rotate()
        found = aging.take(here, LOCAL, self.batch)
        if found < self.batch:
            aging.shrink(here, LOCAL, self.batch - found)

    def _pop_free(self, here: int) -> int:
        node = self._links.first(here)
        if node == here:
            return 0
        self._links.unlink(node)
        return node

    def _pop_pending(self, here: int) -> int:
        """The oldest unused pending element of a CPU, else the oldest."""
        links, pending = self._links, here + 8
        node = oldest = links.last(pending)
        while node != pending and self._words[node + USED >> 2]:
            node = links.last(node)
        node = oldest if node == pending else node
        if node == pending:
            return 0
        self._drop(node)
        links.unlink(node)
        return node

    def _steal(self, here: int) -> int:
        """From the CPUs in turn, until one has something."""
        place = (here >> 2) + STEAL
        first = cpu = self._words[place]
        node = 0
        while True:
            node = self._pop_free(self._cpus[cpu]) or self._pop_pending(self._cpus[cpu])
            cpu = (cpu + 1) % len(self._cpus)
            if node or cpu == first:
                break
        self._words[place] = cpu
        return node


class PerCpuLru:
    """BPF_F_NO_COMMON_LRU: an aging for each CPU, with an equal share of the elements. control: guest address of the
    first one's words."""

    def __init__(self, system: System, name: str, entries: int, make: Callable[[], int], drop: Drop) -> None:
        self._system, self._links = system, Links(system.arena.view)
        size = 4 * AGING * system.cpus
        control = system.arena.allocate(f"{name} use", size, "map", writable=False, readable=False)
        self.control = control.base
        share = entries // system.cpus
        self._agings = [
            Aging(self._links, control.base + 4 * AGING * cpu, FEW, share, make, drop) for cpu in range(system.cpus)
        ]

    def pop(self) -> int:
        """An element for the CPU that runs, or 0."""
        cpu, links = self._system.cpu, self._links
        aging = self._agings[cpu]
        free = aging.free
        aging.rotate()
        if links.first(free) == free and not aging.take(free, FREE, 1):
            aging.shrink(free, FREE, FEW)
        node = links.first(free)
        if node == free:
            return 0
        state = node + STATE >> 2
        links.words[state] = links.words[state] & 0xFF | cpu << 8
        aging.move(node, INACTIVE)
        return node

    def push(self, node: int) -> None:
        """Take back an element that is in no table, for the CPU that it belongs to."""
        self._agings[self._links.words[node + STATE >> 2] >> 8].move(node, FREE)
