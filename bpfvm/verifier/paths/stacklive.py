"""Which stack slots are read later: found out while paths are walked, and carried backwards over the program's flow.

Each function is looked at apart for each chain of calls that led to it, and for the frames of all its callers. A slot
that no path reads before it writes it does not matter when states are compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.verifier.domain.state import State
from bpfvm.verifier.program.code import Code, Marks

Chain = tuple[int, ...]
_ENTRY: Chain = (-1,)  # of a function that nothing has called


@dataclass(slots=True)
class Instance:
    """One function on one chain of calls. For each frame: slot -> mask of stack slots.

    reads: those that an instruction may read. writes: those that it writes whenever it is walked. live: before it.
    """

    chain: Chain
    start: int
    end: int
    reads: dict[int, dict[int, int]] = field(default_factory=dict)
    writes: dict[int, dict[int, int]] = field(default_factory=dict)
    live: dict[int, dict[int, int]] = field(default_factory=dict)
    must: dict[int, dict[int, int]] = field(default_factory=dict)
    stale: bool = False


class StackLiveness:
    """What is known so far. `begin`, `read`, `write`, `commit` go round each walked instruction."""

    def __init__(self, code: Code, marks: Marks) -> None:
        self._code, self._marks = code, marks
        self._instances: dict[tuple[Chain, int], Instance] = {}
        self._now: Instance | None = None
        self._at = 0
        self._written: dict[int, int] = {}
        self._read: dict[int, int] = {}

    def begin(self, state: State, at: int) -> None:
        """The instruction `at` is walked next, in the innermost frame of `state`."""
        frames = state.frames
        calls = _ENTRY if len(frames) == 1 else state.calls()
        self._now = self._instances.get((calls, frames[-1].entry)) or self._instance(calls, at)
        self._at = at
        if self._written or self._read:
            self._written, self._read = {}, {}

    def read(self, frame: int, mask: int) -> None:
        self._read[frame] = self._read.get(frame, 0) | mask

    def write(self, frame: int, mask: int) -> None:
        self._written[frame] = self._written.get(frame, 0) | mask

    def commit(self) -> None:
        """The instruction was walked."""
        now = self._now
        if now is None:
            return
        for frame, mask in self._read.items():
            known = now.reads.setdefault(frame, {})
            if mask & ~known.get(self._at, 0):
                known[self._at] = known.get(self._at, 0) | mask
                now.stale = True
        for frame in self._written:
            now.writes.setdefault(frame, {})
        for frame, table in now.writes.items():
            mask = self._written.get(frame, 0)
            before = table.get(self._at)
            after = mask if before is None else before & mask
            if before != after:
                table[self._at] = after
                now.stale |= bool(before or after)

    def leave(self, calls: Chain, at: int) -> None:
        """A function ends at `at`: its callers learn what it reads and writes of their frames."""
        for depth in range(len(calls) - 1, 0, -1):
            inner = self._updated(calls[: depth + 1], at if depth == len(calls) - 1 else calls[depth + 1])
            outer = self._instance(calls[:depth], calls[depth])
            site = calls[depth]
            for frame in range(depth):
                live = inner.live.get(frame, {}).get(inner.start, 0)
                must = inner.must.get(frame, {}).get(inner.start, 0)
                reads, writes = outer.reads.setdefault(frame, {}), outer.writes.setdefault(frame, {})
                if live & ~reads.get(site, 0):
                    reads[site] = reads.get(site, 0) | live
                    outer.stale = True
                if must & ~writes.get(site, 0):
                    writes[site] = writes.get(site, 0) | must
                    outer.stale = True

    def alive(self, calls: Chain, at: int, frame: int, slot: int) -> bool:
        """Whether the slot is read by what follows `at`, in the innermost frame or in those that it returns to."""
        bit = 1 << slot
        if self._updated(calls, at).live.get(frame, {}).get(at, 0) & bit:
            return True
        for depth in range(frame, len(calls) - 1):
            site = calls[depth + 1]
            after = site if self._marks.calls_callback[site] else site + 1
            if self._updated(calls[: depth + 1], site).live.get(frame, {}).get(after, 0) & bit:
                return True
        return False

    def _instance(self, calls: Chain, at: int) -> Instance:
        number = self._code.number(at)
        key = calls, self._code.starts[number]
        found = self._instances.get(key)
        if found is None:
            found = Instance(calls, self._code.starts[number], self._code.end(number))
            self._instances[key] = found
        return found

    def _updated(self, calls: Chain, at: int) -> Instance:
        one = self._instance(calls, at)
        if one.stale:
            one.stale = False
            for frame in range(len(calls)):
                self._spread(one, frame)
        return one

    def _spread(self, one: Instance, frame: int) -> None:
        """Carry reads and writes of one frame backwards until nothing changes."""
        reads, writes = one.reads.get(frame, {}), one.writes.get(frame, {})
        live, must = dict[int, int](), dict[int, int]()
        one.live[frame], one.must[frame] = live, must
        if not reads and not writes:
            return
        order = [slot for slot in range(one.end - 1, one.start - 1, -1) if self._code.insns[slot] is not None]
        changed = True
        while changed:
            changed = False
            for slot in order:
                behind, all_behind = 0, -1
                for following in self._marks.successors[slot]:
                    behind |= live.get(following, 0)
                    all_behind &= must.get(following, 0)
                written = writes.get(slot, 0)
                now = behind & ~written | reads.get(slot, 0)
                always = written | (all_behind if all_behind != -1 else 0)
                if now != live.get(slot, 0) or always != must.get(slot, 0):
                    live[slot], must[slot], changed = now, always, True
