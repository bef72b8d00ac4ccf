"""What a program does with messages of user space: offline and in the kernel."""

from __future__ import annotations

from bpfvm import Array, struct, u16, u32, u64


@struct
class Job:
    """One."""

    id: u32 = 0
    size: u16 = 0


sums = Array(u64, 3)


def taken(job: Job) -> None:
    """Add it up."""
    sums[0] += job.id
    sums[1] += job.size
