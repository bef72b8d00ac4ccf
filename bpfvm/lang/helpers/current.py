"""`current()`: the task that runs, as a pointer to the kernel's struct of it."""

from __future__ import annotations

from typing import Any

from bpfvm.lang.active import machine
from bpfvm.lang.types.described import of_name
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.pointers import pointer_to
from bpfvm.tables.helpers import allowed

TYPED, PLAIN = "get_current_task_btf", "get_current_task"


def helper_for(program_type: str) -> str | None:
    """The helper that gives the task in programs of a type: one whose result the verifier knows, where it is there."""
    return next((one for one in (TYPED, PLAIN) if allowed(one, program_type) is not False), None)


class Current:
    """The task that runs."""

    __name__ = "current"

    @property
    def kind(self) -> Any:
        """The type of what it gives. Unavailable where the kernel's types are not there."""
        return pointer_to("kernel", of_name(KERNEL.types, "task_struct"))

    def __call__(self) -> Any:
        """A `KernelPtr[task_struct]`."""
        on = machine("current()")
        helper = helper_for(on.program_type())
        if helper is None:
            raise TypeError(f"programs of type {on.program_type()} cannot ask for the current task")
        return self.kind(on.helper(helper))


current = Current()
