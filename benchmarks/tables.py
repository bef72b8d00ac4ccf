"""Elements per second of a whole hash map read by `Table`, as multiples of bcc's Python and of a loop in C.

A hash of 100,000 entries, u64 to u64 and a struct of 24 bytes to the same. Rows of the project: `items()` looped over,
its values typed (structs are named tuples), and `to_numpy()`. Peers in the same run, over the same map: bcc's Python
(Debian's python3-bpfcc, in a process of its own), get_next_key and lookup of every key in C and in plain ctypes. Times
are thread CPU time, the least of several rounds. The last column says what the row is held to.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpfvm.kernel import available
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.maps.table import Table
from bpfvm.kernel.sys import MAP_GET_NEXT_KEY, MAP_LOOKUP_ELEM, MapElement, address, bpf
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int, Member, Struct
from bpfvm.obj.model import MapSpec

PASSES, ROUNDS, ENTRIES = 3, 5, 100_000
C, BCC = "C get_next_key + lookup", "bcc items()"
HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the system's, which Debian's packages are for
WIDE = (Member("first", 1, 0), Member("second", 1, 64), Member("third", 1, 128))
TYPES = Btf((Int("u64", 8, 64), Struct("wide", 24, WIDE)))
KINDS = {"u64": (1, 8), "struct of 24": (2, 24)}
GOALS = {("u64", "items()"): (10, 5), ("u64", "to_numpy()"): (15, 7),
         ("struct of 24", "items()"): (5, 2), ("struct of 24", "to_numpy()"): (14, 6)}  # fmt: skip


def least(done: Callable[[], object]) -> float:
    """CPU seconds of reading the map once."""
    spent = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        done()
        spent.append(time.thread_time() - start)
    return min(spent)


def checked(count: int) -> None:
    """Stop where a reader met another number of entries than there are."""
    if count != ENTRIES:
        raise SystemExit(f"{count} entries were read of {ENTRIES}")


def looped(table: Table) -> None:
    """Every key and value as Python values."""
    for _key, _value in table.items():
        pass


def plain_ctypes(table: Table) -> int:
    """One call for the next key, one for its value, with buffers that are made once."""
    size, count = table.spec.key_size, 0
    key, found, value = (ctypes.create_string_buffer(size) for _ in range(3))
    following = MapElement(map_fd=table.fd.number, value=address(found))
    lookup = MapElement(map_fd=table.fd.number, key=address(key), value=address(value))
    while True:
        try:
            bpf(MAP_GET_NEXT_KEY, following)
        except FileNotFoundError:
            return count
        key.raw = found.raw
        following.key = address(key)
        bpf(MAP_LOOKUP_ELEM, lookup)
        count += bool(value.raw)


def compiled(folder: str) -> str | None:
    """The loop in C as a program, None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = str(Path(folder, "loop"))
    subprocess.run([compiler, "-O2", "-o", program, str(HERE / "_tables_loop.c")], check=True)
    return program


def run_peer(command: list[str], table: Table) -> list[float] | str:
    """What a peer prints but for the count of entries, which is checked; or why it printed nothing."""
    number = table.fd.number
    given = [*command, str(number), str(table.spec.key_size), str(ROUNDS)]
    done = subprocess.run(given, pass_fds=(number,), capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    *seconds, count = done.stdout.split()
    checked(int(count))
    return [float(one) for one in seconds]


def measured(table: Table, loop: str | None) -> dict[str, float | str]:
    """Seconds by row, or why there are none: the least of passes in which every row has its turn."""
    found: dict[str, list[float | str]] = {}
    for count in (plain_ctypes(table), len(list(table.items())), len(table.to_numpy()[0])):
        checked(count)
    for _ in range(PASSES):
        c = run_peer([loop], table) if loop else "there is no C compiler (cc)"
        bcc = run_peer([PYTHON, str(HERE / "_tables_bcc.py")], table)
        turn: dict[str, float | str] = {
            C: c if isinstance(c, str) else c[0],
            BCC: bcc if isinstance(bcc, str) else bcc[0],
            "bcc items_lookup_batch()": bcc if isinstance(bcc, str) else bcc[1],
            "plain ctypes": least(lambda: plain_ctypes(table)),
            "items()": least(lambda: looped(table)),
            "to_numpy()": least(table.to_numpy),
        }
        for what, spent in turn.items():
            found.setdefault(what, []).append(spent)
    return {what: min((one for one in each if isinstance(one, float)), default=each[0]) for what, each in found.items()}


def rows(name: str, table: Table, loop: str | None) -> None:
    """Print the rows of one kind of map."""
    found = measured(table, loop)
    bases = [one if isinstance(one, float) else None for one in (found[BCC], found[C])]
    for what, spent in found.items():
        if isinstance(spent, str):
            print(f"{name:<14}{what:<26}cannot run here: {spent}")
            continue
        ratios = "".join(f"{base / spent:>10.1f}x" if base else f"{'-':>11}" for base in bases)
        goal = GOALS.get((name, what))
        held = "" if goal is None else f"  at least {goal[0]}x, {goal[1]}x{_verdict(goal, bases, spent)}"
        print(f"{name:<14}{what:<26}{ENTRIES / spent / 1000:>12.0f}{ratios}{held}")


def _verdict(goal: tuple[int, int], bases: list[float | None], spent: float) -> str:
    held = all(base is None or base / spent >= one for one, base in zip(goal, bases, strict=True))
    return ": held" if held else ": MISSED"


def main() -> None:
    """Print the rows, or why the kernel cannot be asked."""
    why = available()
    if why is not None:
        print(f"cannot run here: {why}")
        return
    print(f"{'map':<14}{'reader':<26}{'k entries/s':>12}{'of bcc':>11}{'of C':>11}")
    with tempfile.TemporaryDirectory() as folder:
        loop = compiled(folder)
        for name, (kind, size) in KINDS.items():
            made = KernelMap(MapSpec("entries", "hash", size, size, ENTRIES, key_type=kind, value_type=kind))
            with Table(made, TYPES, sys.byteorder) as table:
                value: Callable[[int], Any] = (lambda number: number) if size == 8 else (lambda number: (number, 1, 2))
                table.update((value(number * 7), value(number)) for number in range(ENTRIES))
                rows(name, table, loop)


if __name__ == "__main__":
    main()
