"""Work spread over processes of this machine: each takes one item at a time, and what a lost process had is done again.

    for number, result in results(call, items, jobs=4):     in the order in which they are done

`call` is a function of a module, items and results are pickled. A process that dies, killed or out of memory, takes
nothing with it but time: another one gets its item, TRIES times at most.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from bpfvm.core.errors import BpfvmError, Unavailable

TRIES = 3
PATIENCE = 5.0  # seconds that a process has to end in

Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(slots=True)
class _Worker:
    """A process, our end of its pipe, and the number of the item that it has, None while it has none."""

    process: SpawnProcess
    pipe: Connection
    item: int | None = None


def cores() -> int:
    """How many processes can run at once here."""
    return len(os.sched_getaffinity(0))


def results(
    call: Callable[[Item], Done], items: Sequence[Item], jobs: int, name: Callable[[Item], str] = str
) -> Iterator[tuple[int, Done]]:  # fmt: skip
    """The number of each item with what `call` gives of it. What `call` raises of ours is raised here.

    name: what messages call an item. Unavailable for one that TRIES processes died of, or that `call` fails on.
    """
    waiting, tries = deque(range(len(items))), [0] * len(items)
    workers: list[_Worker] = []
    try:
        while waiting or any(one.item is not None for one in workers):
            while waiting and len(workers) < jobs:
                workers.append(_started(call))
            for one in workers:
                if one.item is None and waiting:
                    _give(one, waiting.popleft(), items)
            ready = set(wait([one.pipe for one in workers if one.item is not None]))
            for one in [one for one in workers if one.pipe in ready]:
                number = one.item
                assert number is not None, "only those that have one are waited for"
                try:
                    told = one.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(one)
                    tries[number] += 1
                    ended = _ended(one)
                    if tries[number] == TRIES:
                        raise Unavailable(f"{name(items[number])}: {TRIES} processes died of it; {ended}") from None
                    waiting.appendleft(number)
                    continue
                one.item = None
                yield number, _taken(told, name(items[number]))
    finally:
        for one in workers:
            one.process.terminate()
        for one in workers:
            _ended(one)


def _started(call: Callable[[Any], Any]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, call), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, number: int, items: Sequence[Any]) -> None:
    """A process that is dead already is told by its pipe, when it is read."""
    worker.item = number
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        worker.pipe.send(items[number])


def _ended(worker: _Worker) -> str:
    """How a process ended, in words."""
    worker.pipe.close()
    worker.process.join(PATIENCE)
    if worker.process.exitcode is None:
        worker.process.kill()
        worker.process.join()
    code = worker.process.exitcode or 0
    return f"the last by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"the last with status {code}"


def _taken(told: tuple[str, Any], item: str) -> Any:
    how, what = told
    if how == "error":
        raise what
    if how == "broken":
        raise Unavailable(f"{item}: {what}")
    return what


def _in_words(error: Exception) -> str:
    """An exception that is none of ours, and where it was raised: a process hands no traceback on."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"a process failed: {type(error).__name__}: {error} ({place.filename}:{place.lineno})"


def _serve(pipe: Connection, call: Callable[[Any], Any]) -> None:
    """What a process does: Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            item = pipe.recv()
            try:
                told: tuple[str, Any] = ("done", call(item))
            except BpfvmError as error:
                told = ("error", error)
            except Exception as error:
                told = ("broken", _in_words(error))
            pipe.send(told)
