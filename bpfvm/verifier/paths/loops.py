"""Paths that come back to a state that is still being walked: what matters there is only known when all of the loop is
walked, and is then carried back along every such edge until nothing changes."""

from __future__ import annotations

from bpfvm.verifier.domain.state import State
from bpfvm.verifier.paths.precision import precise_places, propagate
from bpfvm.verifier.paths.walk import Loop, Walk

_ROUNDS = 64


def _key(walk: Walk, state: State) -> tuple[int, ...] | None:
    """The calls to the outermost frame that stands in a loop, and the loop's number."""
    calls: list[int] = []
    for depth in range(len(state.frames)):
        at = state.at if depth == len(state.frames) - 1 else state.frames[depth + 1].call
        calls.append(at)
        if walk.marks.scc[at]:
            return (*calls[:-1], -1, walk.marks.scc[at])
    return None


def enter(walk: Walk, state: State) -> None:
    """A state is kept: it may be the first in its loop."""
    key = _key(walk, state)
    if key is None:
        return
    loop = walk.loops.setdefault(key, Loop())
    if loop.first is None:
        loop.first = state
        _log(walk, "enter", key)


def is_open(walk: Walk, state: State) -> bool:
    """Whether what matters in the state is not all known yet."""
    if not walk.edges:
        return False
    key = _key(walk, state)
    loop = walk.loops.get(key) if key is not None else None
    return loop is not None and bool(loop.edges)


def add_edge(walk: Walk, old: State) -> None:
    """The path is covered by `old`, which is in a loop that is still open."""
    key = _key(walk, old)
    if key is not None:
        walk.loops.setdefault(key, Loop()).edges.insert(0, (walk.state.copy(), walk.at, old))
        walk.edges += 1
        _log(walk, "backedge", key)


def leave(walk: Walk, state: State) -> None:
    """All paths through the state are walked: where it entered a loop, the loop is over."""
    if not walk.marks.scc[state.at] and len(state.frames) == 1:
        return
    key = _key(walk, state)
    loop = walk.loops.get(key) if key is not None else None
    if loop is None or loop.first is not state:
        return
    _log(walk, "exit", key)
    before, now = -1, _marked(loop)
    for _ in range(_ROUNDS):
        for edge, at, old in loop.edges:
            propagate(walk, old, edge, at)
        before, now = now, _marked(loop)
        if now == before:
            break
    walk.edges -= len(loop.edges)
    loop.first, loop.edges = None, []


def _marked(loop: Loop) -> int:
    """How many scalars matter in the states on the ways to the edges, and in those that cover them."""
    count = 0
    for edge, _, old in loop.edges:
        count += len(precise_places(old))
        one = edge.parent
        while one is not None:
            count += len(precise_places(one))
            one = one.parent
    return count


def _log(walk: Walk, what: str, key: tuple[int, ...] | None) -> None:
    """In the form of the kernel's log: the calls on the way, and the loop's number."""
    if walk.log.level & 2 and key is not None:
        walk.log.add(f"SCC {what} ({','.join(str(one) for one in (*key[:-2], key[-1]))})")
