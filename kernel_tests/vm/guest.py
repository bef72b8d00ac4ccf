"""What runs in a guest: places and their counts, then programs of the tests: each loads, or it is said what is lacking.

    python -m kernel_tests.vm.guest SHARE SEED [TEST …]

One line of JSON for each row and each program, and one for the tests of this folder's parent that are named. What a
kernel lacks is asked for before the program is given to it.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bpfvm.compiler import compile_program
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, VerifierReject
from bpfvm.kernel import KERNEL
from bpfvm.kernel.programs.requirements import missing
from bpfvm.kernel.programs.target import running
from bpfvm.lang import hooks
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from kernel_tests.attach.places import ROWS, bench, cells

TESTS = Path(__file__).parents[2] / "tests"
LOADS, LACKS, REFUSED = "loads", "lacks", "refused"
SOON = 10.0  # seconds


Case = tuple[str, ObjectSpec, str, str]


def programs() -> Iterator[Case]:
    """Every program of the tests' objects, then every function: its name, its object, its name there, and what the
    compiler warned of on this kernel."""
    for path in sorted((TESTS / "objects").rglob("*.o")) + sorted((TESTS / "packets").rglob("*.o")):
        if path.parent.name in ("refused", "damaged") or path.stem.endswith("_big"):
            continue
        try:
            spec = read_object(path)
        except BpfvmError:
            continue
        for name, one in spec.programs.items():
            if one.type != "unspec":
                yield f"{path.relative_to(TESTS)}:{name}", spec, name, ""
    yield from _functions()


def _functions() -> Iterator[Case]:
    """Compiled for what this kernel has."""
    from tests.contract import levels
    from tests.contract.functions import program_of

    machine = running()
    for function, _ in levels.cases():
        program = program_of(function)
        hook = program.hook or hooks.function()
        target = program.callee.target if program.callee is not None else function
        compiled = compile_program(target, hook, machine=machine)
        warned = next((one.message for one in compiled.warnings if one.code == "W141"), "")
        yield f"function {program.name}", compiled.spec, program.name, warned


def soon(spec: ObjectSpec, name: str, warned: str) -> tuple[str, str]:
    """The verdict on a program of which the compiler says that the verifier may not get to its end: LACKS where it has
    not in SOON seconds. An emulated processor takes minutes for the million instructions after which it gives up."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writes, "w") as told:
            json.dump(verdict(spec, name, warned), told)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as told:
        ready = select.select([told], [], [], SOON)[0]
        if not ready:
            os.kill(child, signal.SIGKILL)  # a verifier that sees it ends its walk
        text = told.read()
    os.waitpid(child, 0)
    said, why = json.loads(text) if text else (LACKS, f"may_goto: {warned}")
    return said, why


def verdict(spec: ObjectSpec, name: str, warned: str = "") -> tuple[str, str]:
    """LOADS, LACKS with what is lacking as bpfvm says it, or REFUSED with the kernel's words."""
    lacking = () if spec.programs[name].type == "syscall" else missing(spec, name)
    try:
        with KERNEL.load(spec, name, {}):
            return (REFUSED, f"it loads, though {lacking[0]} is lacking") if lacking else (LOADS, "")
    except VerifierReject as error:
        if lacking or "CO-RE relocation" in str(error):  # that is said in words of bpfvm's own
            return LACKS, "; ".join(lacking) or str(error)
        if warned:
            return LACKS, f"may_goto: {warned}"
        return REFUSED, str(error)
    except (LoadError, Unavailable) as error:
        return LACKS, "; ".join(lacking) or str(error)


def main() -> None:
    """The command."""
    share, seed = float(sys.argv[1]), int(sys.argv[2])
    with bench() as on:
        for row in ROWS:
            print(json.dumps({"place": asdict(cells(row, on))}), flush=True)
    dice = random.Random(seed)
    for label, spec, name, warned in programs():
        if dice.random() < share:
            found, why = soon(spec, name, warned) if warned else verdict(spec, name)
            print(json.dumps({"program": label, "verdict": found, "why": why}), flush=True)
    if sys.argv[3:]:
        print(json.dumps({"tests": _tests(sys.argv[3:])}), flush=True)


def _tests(names: list[str]) -> list[str]:
    """The last line of pytest, and those of tests that failed."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]]
    return [lines[-1], *(line[:200] for line in lines if line.startswith(("FAILED", "ERROR")))]


if __name__ == "__main__":
    main()
