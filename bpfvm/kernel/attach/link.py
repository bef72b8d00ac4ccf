"""What is attached: a context manager that holds descriptors, and ends what they hold when it is closed.

The kernel closes descriptors of a process that is killed, so that nothing stays attached. What the kernel does not tie
to a descriptor has a guard (bpfvm.kernel.attach.guard), which outlives this process just long enough.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.attach.calls import ITER_CREATE, LINK_UPDATE, Update
from bpfvm.kernel.attr import inform
from bpfvm.kernel.sys import Fd, bpf, error_name, error_text


class LinkInfo(ctypes.Structure):
    """struct bpf_link_info as far as all kinds have it."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in ("type", "id", "prog_id"))


class Link:
    """A program at one place or several. Close it, or use `with`.

    program: its name. where: the places, in words. links: descriptors of BPF links, empty where the kind has none.
    """

    def __init__(
        self, program: str, where: Sequence[str], links: Sequence[Fd] = (), beside: Sequence[Fd] = (),
        undo: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """beside: descriptors that must stay open with it. undo: what detaches, where closing does not."""
        self.program, self.where = program, tuple(where)
        self.links, self._beside, self._undo = tuple(links), tuple(beside), undo
        self.closed = False

    def __repr__(self) -> str:
        state = "detached" if self.closed else "attached"
        return f"<bpfvm.Link {self.program} {state}: {', '.join(self.where)}>"

    def __enter__(self) -> Link:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Detach; again does nothing."""
        if self.closed:
            return
        self.closed = True
        try:
            if self._undo is not None:
                self._undo()
        finally:
            for one in (*self.links, *self._beside):
                one.close()

    @property
    def ids(self) -> tuple[int, ...]:
        """The kernel's numbers of the links."""
        found = []
        for one in self.links:
            info = LinkInfo()
            inform(one.number, info)
            found.append(int(info.id))
        return tuple(found)

    def update(self, program: Any) -> None:
        """Let another loaded program take the place, without a gap. UsageError for a place that takes none."""
        if not self.links:
            raise UsageError(
                f"{self.program}: what is attached to {', '.join(self.where)} is no link; detach it instead"
            )
        for one in self.links:
            try:
                bpf(LINK_UPDATE, Update(link_fd=one.number, new_prog_fd=program.fd.number))
            except OSError as error:
                number = error.errno or 0
                raise Unavailable(
                    f"{self.program}: the link to {', '.join(self.where)} takes no other program: {error_text(number)} "
                    f"({error_name(number)})"
                ) from None

    def read(self) -> bytes:
        """All that an iterator writes in one run. UsageError for other kinds."""
        if len(self.links) != 1 or not self.where[0].startswith("iterator "):
            raise UsageError(
                f"{self.program}: only an iterator is read, and this is attached to {', '.join(self.where)}"
            )
        fd, parts = Fd(bpf(ITER_CREATE, Update(link_fd=self.links[0].number))), []
        with fd:
            while part := os.read(fd.number, 1 << 16):
                parts.append(part)
        return b"".join(parts)
