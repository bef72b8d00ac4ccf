"""CPU time of a start, as ratios to that of `python -c pass` and of `import click, llvmlite.binding`.

The rows take turns, each a process of its own, over compiled modules; a row is the median of them. How many modules are
loaded, a library's and Python's own among them, does not depend on who else uses the machine. The run is of one packet.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from bpfvm.emulator.native.code.engine import missing

ROUNDS = 20
PACKETS = Path(__file__).resolve().parents[1] / "tests" / "packets"
RUN = ["run", str(PACKETS / "acl_trie.o"), "--packet", str(PACKETS / "frames_xdp.pcap"), "--limit", "1", "--engine"]
COMMAND = ["-c", "import sys\nfrom bpfvm.cli import status\nsys.exit(status(sys.argv[1:]))"]
EMPTY, LIBRARIES = "python -c pass", "import click, llvmlite.binding"
ROWS = {
    EMPTY: ["-c", "pass"],
    LIBRARIES: ["-c", LIBRARIES],
    "from bpfvm import bpf, Array": ["-c", "from bpfvm import bpf, Array"],
    "bpfvm --help": [*COMMAND, "--help"],
    "bpfvm run --help": [*COMMAND, "run", "--help"],
    "bpfvm run, engine interp": [*COMMAND, *RUN, "interp"],
    "bpfvm run, engine native": [*COMMAND, *RUN, "native"],
}


def spent(words: list[str]) -> float:
    """Milliseconds of CPU of one process."""
    process = os.posix_spawn(
        sys.executable, [sys.executable, *words], os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{words[-1]} ended with status {os.waitstatus_to_exitcode(status)}")
    return (used.ru_utime + used.ru_stime) * 1e3


def loaded(words: list[str]) -> int:
    """How many modules a process loads."""
    done = subprocess.run([sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True)
    return done.stderr.count("import time:") - 1  # its head


def main() -> None:
    """Print a row for each."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = {name: words for name, words in ROWS.items() if missing() is None or "native" not in words[-1]}
    for words in rows.values():
        spent(words)  # compiles the modules
    rounds = [{name: spent(words) for name, words in rows.items()} for _ in range(ROUNDS)]
    took = {name: statistics.median(one[name] for one in rounds) for name in rows}
    print(f"{'what':<34}{'CPU ms':>8}{'to pass':>9}{'to libraries':>14}{'modules':>9}")
    for name, words in rows.items():
        beside = f"{took[name] / took[LIBRARIES]:>14.2f}" if LIBRARIES in took else f"{'':>14}"
        print(f"{name:<34}{took[name]:>8.1f}{took[name] / took[EMPTY]:>9.1f}{beside}{loaded(words):>9}")


if __name__ == "__main__":
    main()
