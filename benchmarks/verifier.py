"""Time of the verifier model, as a ratio to BPF_PROG_LOAD of the same program in the same run.

Programs of the tests' objects, of Debian's libxdp1 and libbpf-tools where apt has them, and of the data files; those
that the kernel and the model take. CPU seconds, the least of a few rounds: of the kernel the whole system call, its JIT
included, without a log; of the model `verify`, on the object as it is loaded. Then one loop of 100,000 instructions
walked.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROUNDS = 3
BUDGET = 200_000
LOOP = "r6 = 0\nl:\nr6 += 1\nr7 = r6\nr7 &= 7\nif r6 != 25000 goto l\nr0 = 0\nexit"


@dataclass(slots=True)
class Times:
    """Of one program: CPU seconds of the kernel and of the model, and instructions walked."""

    kernel: float
    model: float
    walked: int


@dataclass(slots=True)
class Loads:
    """Notes how long each BPF_PROG_LOAD takes. submit: the function that does it."""

    submit: Callable[[Any], Any]
    seconds: list[float] = field(default_factory=list)

    def __call__(self, attr: Any) -> Any:
        start = time.thread_time()
        try:
            return self.submit(attr)
        finally:
            self.seconds.append(time.thread_time() - start)


def of_objects(paths: Iterable[Path]) -> Iterator[Times]:
    """Every program of the objects that the kernel takes, loaded alone."""
    from bpfvm.core.errors import BpfvmError
    from bpfvm.kernel.host.names import adapted
    from bpfvm.kernel.objects.install import install
    from bpfvm.kernel.programs import program as programs
    from bpfvm.obj.reader.object import read_object
    from bpfvm.verifier.program.object import verify
    from kernel_tests.verifier.test_verifier_objects import sized
    from kernel_tests.verifier.verdicts import possible_cpus

    loads = Loads(programs.submit)
    vars(programs)["submit"] = loads
    try:
        for path in paths:
            try:
                spec = sized(read_object(path))
            except BpfvmError:
                continue
            for name in spec.programs:
                try:
                    loads.seconds.clear()
                    for _ in range(ROUNDS):
                        install(spec, [name], pin=False).close()
                    ready, _ = adapted(spec, [name])
                except BpfvmError:
                    continue

                def model(ready: Any = ready, name: str = name) -> Any:
                    return verify(ready, name, budget=BUDGET, cpus=possible_cpus(), resolved=True)

                if len(loads.seconds) == ROUNDS:
                    yield from _timed(min(loads.seconds), model)
    finally:
        vars(programs)["submit"] = loads.submit


def of_cases() -> Iterator[Times]:
    """Every program of the data files that is taken."""
    from bpfvm.testing.verdicts import judged, load_verdicts
    from kernel_tests.verifier import verdicts

    with verdicts.opened_maps() as maps:
        for case in load_verdicts(ROOT / "tests/verifier"):
            if not case.accepted:
                continue
            verdicts.ask(case, maps, verdicts.WORDS)  # makes its maps
            loads = Loads(verdicts.load)
            seconds = []
            for _ in range(ROUNDS):
                verdicts.ask(case, maps, verdicts.WORDS, loads)
            seconds = loads.seconds
            yield from _timed(min(seconds), lambda case=case: judged(case))  # type: ignore[misc]


def _timed(kernel: float, model: Callable[[], Any]) -> Iterator[Times]:
    spent, walked = [], 0
    for _ in range(ROUNDS):
        start = time.thread_time()
        verdict = model()
        spent.append(time.thread_time() - start)
        if verdict.verdict != "accept":
            return
        walked = verdict.processed
        if spent[0] > 1:
            break
    yield Times(kernel, min(spent), walked)


def row(name: str, times: list[Times]) -> None:
    ratios = sorted(one.model / one.kernel for one in times)
    whole = sum(one.model for one in times), sum(one.kernel for one in times)
    print(
        f"{name:<24}{len(times):>9}{statistics.median(ratios):>9.0f}{ratios[len(ratios) * 95 // 100]:>9.0f}"
        f"{whole[0] / whole[1]:>9.0f}{statistics.median(one.model for one in times) * 1e3:>12.2f}"
        f"{sum(one.walked for one in times) / whole[0] / 1e3:>12.0f}"
    )


def main() -> None:
    """Print a row for each group of programs, all of them, and the long loop."""
    from bpfvm.isa.asm import assemble
    from bpfvm.obj.model import ObjectSpec, ProgramSpec
    from bpfvm.verifier.program.object import verify
    from kernel_tests.debian import packages as debian

    if os.geteuid():
        print("nothing is compared: loading programs takes root")
        return
    print(f"{'':<24}{'programs':>9}{'median':>9}{'95 %':>9}{'all':>9}{'median ms':>12}{'kinsn/s':>12}")
    groups = {"objects of the tests": list(of_objects(sorted(ROOT.glob("tests/*/*.o"))))}
    try:
        groups["Debian's objects"] = list(of_objects(one.path for one in debian.objects()))
    except debian.Unavailable as reason:
        print(f"Debian's objects are left out: {reason}")
    groups["data files"] = list(of_cases())
    for name, times in groups.items():
        row(name, times)
    row("all", [one for times in groups.values() for one in times])
    program = ProgramSpec("long", "socket", "socket_filter", tuple(assemble(LOOP)))
    start = time.thread_time()
    verdict = verify(ObjectSpec({"long": program}, {}), "long")
    print(f"a loop of {verdict.processed} instructions walked: {time.thread_time() - start:.2f} s")


if __name__ == "__main__":
    main()
