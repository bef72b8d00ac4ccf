"""Work spread over the machines of a Dask cluster (extra `dask`): a task for each item.

A task's worker needs bpfvm and sees the files under the names that they have here. Dask gives the tasks of a worker
that is lost to others, as often as its setting distributed.scheduler.allowed-failures says.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from bpfvm.core.errors import BpfvmError, Unavailable

LOCAL = "LOCAL"  # in place of an address: processes of this machine, for as long as the work takes
SECONDS = 10.0  # to reach a scheduler in
AHEAD = 2  # items that wait for each thread of the cluster

Item = TypeVar("Item")
Done = TypeVar("Done")


def results(
    call: Callable[[Item], Done], items: Sequence[Item], address: str, jobs: int, name: Callable[[Item], str] = str
) -> Iterator[tuple[int, Done]]:  # fmt: skip
    """As workers.results. address: of the scheduler, or LOCAL for `jobs` processes here."""
    with client(address, jobs) as found:
        yield from submitted(found, call, items, name)


def submitted(
    client: Any, call: Callable[[Item], Done], items: Sequence[Item], name: Callable[[Item], str] = str
) -> Iterator[tuple[int, Done]]:  # fmt: skip
    """The same over a client that is there."""
    from distributed import as_completed

    futures = {client.submit(call, item, pure=False): number for number, item in enumerate(items)}
    try:
        for future in as_completed(list(futures)):
            number = futures[future]
            yield number, _taken(future, name(items[number]))
    finally:
        client.cancel(list(futures), force=True)


def in_order(
    client: Any, call: Callable[[Item], Done], items: Iterable[Item], name: Callable[[Item], str] = str
) -> Iterator[Done]:  # fmt: skip
    """What `call` gives of each item, in their order; items may go on without end, as many are asked for as needed."""
    room = max(AHEAD * sum(client.nthreads().values()), AHEAD)
    waiting: deque[tuple[Any, str]] = deque()
    try:
        for item in items:
            waiting.append((client.submit(call, item, pure=False), name(item)))
            if len(waiting) > room:
                yield _taken(*waiting.popleft())
        while waiting:
            yield _taken(*waiting.popleft())
    finally:
        client.cancel([future for future, _ in waiting], force=True)


def _taken(future: Any, name: str) -> Any:
    """The result of a task. BpfvmError of its own; Unavailable where no worker could give one."""
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except BpfvmError:
        raise
    except KilledWorker as error:
        raise Unavailable(f"{name}: Dask gave it up after workers died of it: {error}") from None
    except (CancelledError, ImportError, OSError) as error:
        raise Unavailable(f"{name}: a Dask worker cannot run it: {type(error).__name__}: {error}") from None


def client(address: str, jobs: int) -> Any:
    """A client of the scheduler at `address`, or of `jobs` processes of its own. Unavailable says why there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise Unavailable("dask is not installed: pip install 'bpfvm[dask]'") from None
    try:
        if address != LOCAL:
            return Client(address, timeout=SECONDS)
        return Client(
            n_workers=jobs, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise Unavailable(f"Dask at {address}: {str(error) or type(error).__name__}") from None
