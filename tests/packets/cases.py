"""All programs of this folder, with the frames that are made for them: `python -m tests.packets.cases` makes the
frames anew (scapy), and the golden file (root, and a kernel with 2 CPUs).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bpfvm.obj.captures.pcap import write_capture
from bpfvm.run.backend import Backend
from bpfvm.tables.progs import BY_NAME
from tests.packets import cases_dynptr, cases_edge, cases_kinds, cases_skb, cases_skb_data, cases_xdp
from tests.packets.machines import FOLDER, Case, captured, digest


@dataclass(frozen=True, slots=True)
class Group:
    """Programs that share made frames. frames: the module that makes them with scapy; they stand in a capture."""

    name: str
    cases: tuple[Case, ...]

    @property
    def path(self) -> Path:
        return FOLDER / f"frames_{self.name}.pcap"

    @property
    def frames(self) -> list[bytes]:
        return list(captured(self.path, 1 << 20))

    def make(self) -> list[bytes]:
        """The frames, made anew. ImportError without scapy."""
        found: list[bytes] = import_module(f"tests.packets.frames_{self.name}").frames()
        return found


GOLDEN = FOLDER / "golden.json"
GROUPS = (
    Group("xdp", cases_xdp.CASES),
    Group("edge", cases_edge.CASES),
    Group("kinds", cases_kinds.CASES),
    Group("skb", cases_skb.CASES),
    Group("skb_data", cases_skb_data.CASES),
    Group("dynptr", cases_dynptr.CASES),
)


def layer(case: Case) -> str:
    """The first header that the program sees."""
    return BY_NAME[case.spec.programs[case.program].type].layer or "eth"


def golden(engine: Backend) -> dict[str, str]:
    """What a machine of 2 CPUs makes of each program's frames, as a number."""
    return {str(case): digest(case, layer(case), engine, 2, group.frames) for group in GROUPS for case in group.cases}


if __name__ == "__main__":
    import os

    from bpfvm.kernel import KERNEL

    os.sched_setaffinity(0, {0})
    for group in GROUPS:
        frames = group.make()
        write_capture(group.path, [(1000 * number, frame) for number, frame in enumerate(frames)])
        print(f"{group.path.name}: {len(frames)} frames")
    GOLDEN.write_text(json.dumps(golden(KERNEL), indent=1, sort_keys=True) + "\n")
