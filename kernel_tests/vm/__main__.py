"""The matrix: places and programs of the tests on Debian's kernels, and one table of all.

    python -m kernel_tests.vm                 a seeded tenth of the programs on every kernel
    python -m kernel_tests.vm --all           all of them
    python -m kernel_tests.vm --kernels 5.10,6.12

Status 0 where every kernel counts right and takes, or tells what it lacks of, every program that this machine's own
kernel takes; 1 otherwise; 2 where the matrix cannot run here, with the reason.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from kernel_tests.attach.places import ROWS, YES
from kernel_tests.vm import machine
from kernel_tests.vm.guest import LACKS, LOADS, REFUSED, programs, verdict
from kernel_tests.vm.kernels import KERNELS, Fetched, Unavailable, fetched

ROOT = Path(__file__).parents[2]
SEED, SHARE = 1, 0.1
TESTS = (
    *(f"kernel_tests/attach/test_{one}.py" for one in ("attach", "tasks", "events")),
    *(f"kernel_tests/tools/test_examples_{one}.py" for one in ("functions", "tracing")),
)
LOADED = {"5.10": 0.60, "6.1": 0.75, "6.12": 0.90, "7": 0.90}  # least share of the programs that load
PROBES = ("kprobe", "kretprobe", "fentry", "fexit", "lsm, deny")  # count exactly on every kernel
MULTI = {"6.12": ("kprobe.multi", "kretprobe.multi"), "7": ("kprobe.multi", "kretprobe.multi")}


@dataclass(slots=True)
class Answers:
    """What a guest told. places: of each row the cell "counted", or what went before it. programs: verdict and why.
    tests: the last line of pytest, and those of failures."""

    release: str
    places: dict[str, str] = field(default_factory=dict)
    programs: dict[str, tuple[str, str]] = field(default_factory=dict)
    tests: list[str] = field(default_factory=list)
    seconds: float = 0.0
    failure: str = ""

    def take(self, line: str) -> None:
        """A line of the guest's output."""
        if not line.startswith("{"):
            return
        found = json.loads(line)
        if "tests" in found:
            self.tests = found["tests"]
        elif "place" in found:
            one = found["place"]
            said = [one[name] for name in ("load", "attach", "counted")]
            self.places[one["name"]] = next((text for text in said if text not in (YES, "-")), said[-1])
        else:
            self.programs[found["program"]] = (found["verdict"], found["why"])


def asked(kernel: Fetched, busybox: Path, share: float, seconds: float) -> Answers:
    """Everything that one guest tells."""
    answers, start = Answers(kernel.release), time.monotonic()
    environment = f"BPFVM_KERNEL=require PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={ROOT} PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    command = f"cd {ROOT} && {environment} {sys.executable} -m kernel_tests.vm.guest {share} {SEED} {' '.join(TESTS)}"
    try:
        status = machine.run(kernel, busybox, command, seconds, answers.take)
        answers.failure = f"the guest's command ends with status {status}" if status else ""
    except Unavailable as error:
        answers.failure = str(error)
    answers.seconds = time.monotonic() - start
    return answers


def wrong(name: str, answers: Answers, own: dict[str, str]) -> list[str]:
    """What is not as it should be on one kernel. own: this machine's verdicts."""
    if answers.failure:
        return [answers.failure]
    found = [f"{row} counts wrong: {said}" for row, said in answers.places.items() if said.endswith("hits")]
    for row in (*PROBES, *MULTI.get(name, ())):
        if answers.places.get(row) != YES:
            found.append(f"{row}: {answers.places.get(row, 'was not tried')}")
    for program, (said, why) in answers.programs.items():
        if said == REFUSED and own.get(program) == LOADS:
            found.append(f"{program} is refused, and nothing is said to be lacking: {why}")
    found += answers.tests[1:] if answers.tests else ["the tests did not run"]
    share = _share(answers, own)
    if share < LOADED[name]:
        found.append(f"{share:.0%} of the programs load, and {LOADED[name]:.0%} should")
    return found


def _share(answers: Answers, own: dict[str, str]) -> float:
    """How many of the programs that this machine's own kernel takes load."""
    counted = [said for program, (said, _) in answers.programs.items() if own.get(program) == LOADS]
    return sum(said == LOADS for said in counted) / len(counted) if counted else 0.0


def table(results: dict[str, Answers], own: dict[str, str]) -> str:
    """One table of all kernels: places, then programs."""
    names = list(results)
    lines = [f"{'':26}" + "".join(f"{name:>8}" for name in names)]
    notes: dict[str, int] = {}
    for row in ROWS:
        marks = []
        for name in names:
            said = results[name].places.get(row.name, "")
            if said in (YES, "-"):
                marks.append("counted" if said == YES else "yes")
            else:
                marks.append(f"no{notes.setdefault(said, len(notes) + 1)}" if said else "")
        lines.append(f"{row.name:26}" + "".join(f"{mark:>8}" for mark in marks))
    for verdict_name in (LOADS, LACKS, REFUSED):
        counts = [sum(said == verdict_name for said, _ in results[name].programs.values()) for name in names]
        lines.append(f"programs: {verdict_name:16}" + "".join(f"{count:>8}" for count in counts))
    lines.append(f"{'load, of what loads here':26}" + "".join(f"{_share(results[one], own):>8.0%}" for one in names))
    lines += [f"{len(TESTS)} files of tests, {name}: {results[name].tests[:1] or 'did not run'}" for name in names]
    lines.append(f"{'seconds':26}" + "".join(f"{results[name].seconds:>8.0f}" for name in names))
    lines.append(f"{'':26}" + ", ".join(results[name].release for name in names))
    return "\n".join([*lines, "", *(f"{number}. {text}" for text, number in notes.items())])


@click.command(help=__doc__)
@click.option("--all", "whole", is_flag=True, help="every program of the tests, not a seeded tenth")
@click.option("--kernels", default="", help="names of kernels, with commas between; all by default")
@click.option("--jobs", default=2, show_default=True, help="guests at once")
@click.option("--seconds", default=1800.0, show_default=True, help="that one guest may take")
def main(whole: bool, kernels: str, jobs: int, seconds: float) -> None:
    names = kernels.split(",") if kernels else [one.name for one in KERNELS]
    chosen = [one for one in KERNELS if one.name in names]
    try:
        reason = machine.missing()
        if reason is not None or len(chosen) != len(names):
            raise Unavailable(reason or f"kernels are {', '.join(one.name for one in KERNELS)}, not {kernels}")
        ready, busybox = fetched(chosen)
    except Unavailable as error:
        click.echo(f"the matrix does not run here: {error}", err=True)
        sys.exit(2)
    share = 1.0 if whole else SHARE
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(asked, one, busybox, share, seconds) for one in ready]
        results = {one.kernel.name: done.result() for one, done in zip(ready, waiting, strict=True)}
    sys.exit(_told(results))


def _told(results: dict[str, Answers]) -> int:
    """Print everything; the status."""
    wanted = {name for one in results.values() for name in one.programs}
    own = {label: verdict(spec, name)[0] for label, spec, name, _ in programs() if label in wanted}
    print(table(results, own))
    lacking = Counter(why for one in results.values() for said, why in one.programs.values() if said == LACKS)
    print("\nwhat kernels lack, with the number of programs:")
    for why, count in lacking.most_common(25):
        print(f"  {count:4} {why[:160]}")
    found = [f"{name}: {text}" for name, one in results.items() for text in wrong(name, one, own)]
    print("\n".join(["", *found] if found else ["", "every kernel is as it should be"]))
    return int(bool(found))


if __name__ == "__main__":
    main()
