"""`bpfvm run --jobs 2` over some captures as a ratio to `--jobs 1`: by the clock on the wall, and of CPU in all.

A program that takes long for a packet runs over equal captures. A command of its own starts the processes, so that all
that spreading costs is in the numbers. Where others use the cores, too, the clock tells little; the CPU time tells what
spreading adds. Both must count the same.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.long import records
from benchmarks.tiers import P1
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object

CAPTURES, PACKETS, ROUNDS = 4, 20_000, 2
FASTER, DEARER = 1.7, 1.3  # by the clock, at least; of CPU, at most
COMMAND = "import sys\nfrom bpfvm.cli import status\nsys.exit(status(sys.argv[1:]))"


def spent(words: list[str]) -> tuple[float, float, object]:
    """Seconds of a command by the clock and of CPU, with the processes that it starts, and what it found."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", COMMAND, *words], stdout=subprocess.PIPE, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(done.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, (found["packets"], found["actions"], found["insns"])


def main() -> None:
    """Print a row for one process and for two."""
    reason = missing()
    if reason is not None:
        print(f"not run: engine native: {reason}")
        return
    with tempfile.TemporaryDirectory() as folder:
        target, packets = Path(folder, "long.o"), Path(folder, "packets.pcap")
        program = ProgramSpec("p", "xdp", "xdp", tuple(assemble(P1)))
        target.write_bytes(write_object(ObjectSpec({"p": program}, {}, license="GPL")))
        with packets.open("wb") as file:
            file.writelines(records(PACKETS))
        words = ["run", str(target), "--engine", "native", "--json", *["--packet", str(packets)] * CAPTURES, "--jobs"]
        rounds = [[spent([*words, jobs]) for jobs in ("1", "2")] for _ in range(ROUNDS)]
    if len({str(found) for one in rounds for _, _, found in one}) > 1:
        sys.exit("two processes do not count what one does")
    walls = [min(one[row][0] for one in rounds) for row in (0, 1)]
    cpus = [min(one[row][1] for one in rounds) for row in (0, 1)]
    print(f"{'processes':<12}{'wall s':>8}{'faster':>8}{'CPU s':>8}{'dearer':>8}")
    print(f"{1:<12}{walls[0]:>8.2f}{1:>8.2f}{cpus[0]:>8.2f}{1:>8.2f}")
    print(f"{2:<12}{walls[1]:>8.2f}{walls[0] / walls[1]:>8.2f}{cpus[1]:>8.2f}{cpus[1] / cpus[0]:>8.2f}", end="")
    print(f"  at least {FASTER} and at most {DEARER} are good")


if __name__ == "__main__":
    main()
