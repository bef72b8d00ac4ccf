"""One run again in the reference tier, on the same machine from the state before it, and what memory differs then.

replay = Replay(loaded)
replay.before()
result = loaded.run(given)
other, lines = replay.again(given)      the machine is as `loaded` left it
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Input, Result
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.machine import Loaded
from bpfvm.emulator.memory import Snapshot
from bpfvm.emulator.portable.runtime import Runtime
from bpfvm.emulator.state import State

KINDS = ("map", "map value", "map key")  # of regions that stay from run to run
SHOWN = 8  # bytes of memory that a line shows


class Replay:
    """For one loaded program. Unavailable where the reference tier is what runs it."""

    def __init__(self, loaded: Loaded) -> None:
        tier = loaded.tier
        if not isinstance(tier, Runtime):
            raise Unavailable("the reference tier is what runs are compared with")
        self._system = loaded.system
        self._reference = copy.copy(loaded)
        self._reference.tier = Interpreter(loaded.system, tier.helpers, loaded.budget, tier.stacks)
        self._state: State | None = None

    def before(self) -> None:
        """Keep what the machine is now."""
        self._state = self._system.snapshot()

    def again(self, given: Input) -> tuple[Result, list[str]]:
        """Run from there: the result, and a line for each piece of memory that is not what it is now."""
        assert self._state is not None, "before was called before"
        after = self._system.snapshot()
        self._system.restore(self._state)
        result = self._reference.run(given)
        lines = [] if result.fault is not None and result.fault.machine else list(self._differing(after.memory))
        self._system.restore(after)
        return result, lines

    def _differing(self, after: Snapshot) -> Iterator[str]:
        for region, _, data in after:
            if region.kind in KINDS and region.data != data:
                found = bytes(region.data)
                at = next(place for place, pair in enumerate(zip(data, found, strict=True)) if pair[0] != pair[1])
                one, other = (bytes_[at : at + SHOWN].hex() for bytes_ in (data, found))
                yield f"{region.name} from byte {at}: {one}, interp {other}"
