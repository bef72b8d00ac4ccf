"""Attaching loaded programs: one row a kind of place, chosen by the program's type and its section.

    with installed.programs["count"].attach("eth0", mode="native") as link:   # XDP
        ...                                                                   # detached at the end, and when killed

A target that stands in the section ("tp/sched/sched_switch", "uprobe/c:malloc") need not be given again.
"""

from __future__ import annotations

from bpfvm.kernel.attach.kinds import KINDS, Kind, all_of, attach
from bpfvm.kernel.attach.link import Link

__all__ = ["KINDS", "Kind", "Link", "all_of", "attach"]
