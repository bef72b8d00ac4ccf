"""Read damaged captures in this process as `bpfvm run` does, and report: COUNT SEED FILE… as for run.py."""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.obj.captures.capture import Capture
from tests.unit.obj.damage.changes import damaged
from tests.unit.obj.damage.run import TooLong, alarm


def use(data: bytes) -> str:
    """How a capture was read: "whole", "lost some", or "refused". Every layer's frames are asked for."""
    try:
        with Capture(data, "damaged") as capture:
            for layer in ("eth", "ip"):
                given = sum(len(packet) for _, _, packet, _ in capture.frames(layer))
                lost = capture.lost
                if given + lost.bytes > len(data):
                    raise AssertionError(f"{given} bytes given and {lost.bytes} lost of {len(data)}")
                if any(not line.isprintable() for line in (*lost.lines, *capture.notes)):
                    raise AssertionError(f"not one line: {lost.lines}")
            return "lost some" if lost.lines else "whole"
    except LoadError as error:
        if not str(error).isprintable():
            raise AssertionError(f"not one line: {str(error)!r}") from None
        return "refused"


def main(count: int, seed: int, files: list[str]) -> None:
    outcomes: Counter[str] = Counter()
    wrong, slowest = [], 0.0
    for number, data in enumerate(damaged([Path(one).read_bytes() for one in files], count, seed)):
        start = time.process_time()
        try:
            with alarm():
                outcomes[use(data)] += 1
        except (Exception, TooLong):
            wrong.append(f"capture {number} of seed {seed}: {traceback.format_exc()}")
        slowest = max(slowest, time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"outcomes": outcomes, "wrong": wrong, "slowest": round(slowest, 3), "peak": peak}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
