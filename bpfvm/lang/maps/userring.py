"""Messages to programs: a ring that user space writes, and a program drains."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Entry
from bpfvm.lang.active import active, machine
from bpfvm.lang.faults import MapError
from bpfvm.lang.helpers.dynptrs import Dynptr
from bpfvm.lang.helpers.words import number
from bpfvm.lang.maps.base import Map, checked, element, loaded, packed
from bpfvm.lang.maps.rings import PAGE, ROOM
from bpfvm.lang.types.layout import View, size_of
from bpfvm.lang.userspace.machine import UserSide
from bpfvm.tables.helpers import BY_NAME

_HEADER = 8  # bytes before each message, which are padded to a multiple of it


class UserRing(Map):
    """BPF_MAP_TYPE_USER_RINGBUF of `size` bytes, for kernels from 6.1 on: user space submits, a program drains it.

    def body(job): ...      # or body(job, context); a result that is not 0 ends it, behind this message

    done = jobs.drain(body)

    record: what a message is; without it the function gets a dynptr of each. contents: messages that are there before
    the first run, of the type, or bytes.
    """

    type = "user_ringbuf"
    usage = "n = ring.drain(body)"

    def __init__(
        self, record: Any = None, size: int = ROOM, name: str | None = None, *, contents: Sequence[Any] = ()
    ) -> None:  # fmt: skip
        if not isinstance(size, int) or size < PAGE or size & (size - 1):
            raise UsageError(f"UserRing: a ring has a power of two of bytes, from {PAGE} on, not {size!r}")
        self.record = None if record is None else element("UserRing", "record", record)
        super().__init__(size, name)
        self.contents = tuple(contents)
        checked(self)
        if sum(_HEADER + -(-len(one) // _HEADER) * _HEADER for _, one in self.entries()) > size:
            raise UsageError(f"UserRing: contents: {len(self.contents)} messages find no room in {size} bytes")

    def entries(self) -> tuple[Entry, ...]:
        return tuple((b"", self._message(one)) for one in self.contents)

    def drain(self, body: Callable[..., Any], *context: Any) -> int:
        """Call `body(record)`, or `body(record, context)`, for each message until it gives what is not 0: how many it
        got, or a negative errno. IndexError for a message that is shorter than a record."""
        if len(context) > 1:
            raise TypeError(f"{self.called}.drain takes a function and one context, not {len(context)}")
        on = machine("a user ring's drain()")

        def turn(address: int) -> int:
            return int(bool(body(self._shown(Dynptr(on, address, reserved=False)), *context)))

        found = on.called("user_ringbuf_drain", [on.handle(self), 0], turn)
        return int(number(BY_NAME["user_ringbuf_drain"], found))

    def submit(self, record: Any) -> None:
        """Of user space: give one message to programs, a record or bytes. MapError where there is no room."""
        if active() is not None:
            raise TypeError(f"{self.called}.submit is for user space, and programs drain what it submits")
        store = self._store_behind()
        number = store.send(self._message(record))
        if number in (-errno.ENOSPC, -errno.E2BIG):
            raise MapError(f"{self.called} has no room for this message; run a program that drains it")
        UserSide(store, self.called).stored(number, "submitted to")

    def _message(self, one: Any) -> bytes:
        if self.record is not None and not isinstance(one, bytes):
            return packed(self.record, one)
        if not isinstance(one, bytes | View):
            raise TypeError(f"a message is bytes, an array or a struct, not {type(one).__name__}")
        return bytes(one)

    def _shown(self, of: Any) -> Any:
        """A message as the function gets it."""
        if self.record is None:
            return of
        address = of.reach(size_of(self.record))
        if not address:
            raise IndexError(f"a message of {self.called} is shorter than {self.record.__name__}")
        return loaded(self._machine(), self.record, address)
