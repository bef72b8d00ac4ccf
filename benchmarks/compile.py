"""Time to compile, as ratios to `clang-19 -O2` on the same functions in C, and the slots that come of it.

Four functions of scalars, each in Python and in C. "process" is the whole of `bpfvm compile FILE.py`, Python's start
included, and the whole of clang; "warm" is one function from its text to an object's bytes in a process that has
compiled before, against clang's whole process for all four. CPU seconds, the least of several rounds, both in turns in
the same run. Modules are loaded from Python's cache of compiled files, as those of an installed package are.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PAIRS, C_TEXT = HERE / "_compile_pairs.py", HERE / "_compile_pairs.c"
ROUNDS, WARM = 9, 15
MOST_PROCESS, MOST_WARM = 6.0, 1.5  # times clang's process


def cpu(command: Sequence[str], environment: dict[str, str]) -> float:
    """CPU seconds of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def processes(clang: str, folder: Path) -> tuple[float, float]:
    """CPU seconds of `bpfvm compile` and of clang, the least of several rounds in turns."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(HERE.parent), "PYTHONPYCACHEPREFIX": str(folder / "cache")}
    mine = [sys.executable, "-m", "bpfvm", "compile", str(PAIRS), "-o", str(folder / "python.o")]
    theirs = [clang, "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-c", str(C_TEXT), "-o", str(folder / "c.o")]
    times = [(cpu(mine, environment), cpu(theirs, environment)) for _ in range(ROUNDS)]
    return min(one for one, _ in times), min(other for _, other in times)


def warm() -> dict[str, float]:
    """CPU seconds of one function to bytes, by its name, the least of several times."""
    from benchmarks import _compile_pairs
    from bpfvm.compiler import compile_program
    from bpfvm.obj.writer.object import write_object
    from bpfvm.program import Program

    found = {}
    for name, one in vars(_compile_pairs).items():
        if not isinstance(one, Program) or one.callee is None or one.hook is None:
            continue
        times = []
        for _ in range(WARM):
            start = time.thread_time()
            write_object(compile_program(one.callee.target, one.hook).spec)
            times.append(time.thread_time() - start)
        found[name] = min(times)
    return found


def slots(folder: Path) -> dict[str, tuple[int, int]]:
    """By function: slots of the Python one and of the C one."""
    from bpfvm.obj.reader.object import read_object

    mine, theirs = (read_object(str(folder / name)).programs for name in ("python.o", "c.o"))
    return {name: (one.slot_count, theirs[name].slot_count) for name, one in mine.items()}


def main() -> None:
    """Print a row for the process and one for each function."""
    clang = shutil.which("clang-19")
    if clang is None:
        print("nothing is compared: there is no clang-19 here (apt-get install clang-19)")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mine, theirs = processes(clang, folder)
        sizes = slots(folder)
    print(f"{'':<12}{'clang ms':>10}{'bpfvm ms':>10}{'ratio':>8}{'at most':>9}{'slots':>8}{'clang':>7}")
    print(f"{'process':<12}{theirs * 1e3:>10.1f}{mine * 1e3:>10.1f}{mine / theirs:>8.2f}{MOST_PROCESS:>9.1f}")
    for name, spent in warm().items():
        ours, c = sizes[name]
        print(
            f"{name:<12}{theirs * 1e3:>10.1f}{spent * 1e3:>10.1f}{spent / theirs:>8.2f}{MOST_WARM:>9.1f}{ours:>8}{c:>7}"
        )


if __name__ == "__main__":
    main()
