"""The runs of one `bpfvm run`: a session over its captures, or over registers and contexts, and what is told of it.

What only some options need is loaded where they are given.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bpfvm.cli import FAULTED, INTERRUPTED, inputs
from bpfvm.cli.progress import Progress
from bpfvm.cli.report import Report, show
from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Input, Result
from bpfvm.emulator.blocks import Blocks
from bpfvm.obj.captures.capture import Capture, open_capture
from bpfvm.run.session import Session

if TYPE_CHECKING:
    from bpfvm.cli.captures.sample import Sampled
    from bpfvm.cli.steps import Trace
    from bpfvm.obj.captures.pcapng_write import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says, under the names of its options."""

    captures: tuple[str, ...]
    program: str | None
    engine: str
    fields: tuple[str, ...]
    ctx_file: str | None
    regs: str | None
    regs_from: str | None
    regs_args: str
    memory: tuple[str, ...]
    maps: tuple[str, ...]
    answers: tuple[str, ...]
    cpus: int
    threads: bool
    unchecked: bool
    seed: int
    limit: int | None
    jobs: int | None
    dask: str | None
    apart: tuple[str, ...]
    checked_sample: int | None
    out: str | None
    coverage: str | None
    trace: bool
    as_json: bool


def _say(line: str) -> None:
    click.echo(f"bpfvm: {line}", err=True)


class Run:
    """One command's runs."""

    def __init__(self, session: Session, options: Options, base: Input, say: Callable[[str], None] = _say) -> None:
        """say: what there is to be told of a capture, but for its packets."""
        self.session, self.options, self.base, self.report, self.say = session, options, base, Report(), say
        self.trace: Trace | None = None
        self.out: Writer | None = None
        if options.memory:
            from bpfvm.cli import process

            process.see(session, Blocks(inputs.blocks(options.memory)))
        if options.trace:
            from bpfvm.cli.steps import Trace

            self.trace = Trace(session)
        self.sample: Sampled | None = None
        if options.checked_sample is not None:
            from bpfvm.cli.captures.sample import Sampled

            self.sample = Sampled(session, options, base, self.report)

    def all(self) -> int:
        """Run everything: 0, or the status of a run that Ctrl-C ended, whose results so far are good."""
        start = time.perf_counter()
        try:
            with ExitStack() as stack:
                self._all(stack)
        except KeyboardInterrupt:
            self.report.runs = self.report.ended
            click.echo(f"bpfvm: interrupted after {self.report.runs} {self.what}s", err=True)
            return INTERRUPTED
        finally:
            self.report.seconds = time.perf_counter() - start
        return 0

    def finish(self, target_name: str) -> int:
        """Print what was found; the status for faults. Unavailable when nothing at all could be run."""
        report, session = self.report, self.session
        if report.runs and len(report.refused) == report.runs:
            reason = report.refused[0][1]
            raise Unavailable(f"engine {session.engine} could run none of {report.runs} {self.what}s: {reason}")
        document = report.document(target_name, session, session.maps())
        if self.options.as_json:
            click.echo(json.dumps(document))
        else:
            show(document, self.options.captures, session)
        report.print_problems(self.what)
        return FAULTED if report.failed else 0

    @property
    def what(self) -> str:
        """What one input is."""
        return "packet" if self.session.type.layer is not None else "run"

    def _all(self, stack: ExitStack) -> None:
        options = self.options
        if self.session.type.layer is None:
            for given in self._others():
                self._one(given)
            return
        if options.out is not None:
            from bpfvm.obj.captures.pcapng_write import Writer

            self.out = stack.enter_context(Writer(options.out, options.captures))
        for path in options.captures:
            capture = stack.enter_context(open_capture(path))
            self._capture(capture, path)

    def _others(self) -> Iterator[Input]:
        options, base = self.options, self.base
        if options.regs_from is not None:
            from bpfvm.cli import process

            found = process.hits(self.session, options.regs_from, options.regs_args, base)
        else:
            found = iter(inputs.registers(options.regs, base) if options.regs is not None else [base])
        for number, given in enumerate(found, 1):
            if options.limit is not None and number > options.limit:
                return
            yield given

    def _capture(self, capture: Capture, path: str) -> None:
        options, report = self.options, self.report
        with Progress(path, capture) as progress:
            if self._batch(capture, progress):
                return
            first = report.runs + 1
            for frame in inputs.frames(capture, self.session.type, self.base, options.cpus, first):
                if options.limit is not None and report.runs >= options.limit:
                    return
                progress.step()
                if frame.refused is not None:
                    report.runs += 1
                    report.refuse(frame.refused)
                    continue
                report.bytes += len(frame.given.packet or b"")
                words, result = self._one(frame.given)
                if self.out is not None:
                    self._write(self.out, frame, words, result)
        for line in (*capture.lost.lines, *capture.notes):
            self.say(f"{path}: {line}")

    def _batch(self, capture: Capture, progress: Progress) -> bool:
        """Run the packets in one loop of compiled code, where that can be: whether nothing is left of the capture."""
        options, report, before = self.options, self.report, self.report.runs
        if self.out is not None or options.trace or options.memory:
            return False
        left = None if options.limit is None else max(options.limit - before, 0)
        sample = self.sample.of(capture, before) if self.sample is not None else None
        slices = self.session.batch(capture, self.base, options.cpus, before + 1, left, sample)
        if slices is None:
            if options.threads:
                self.say(f"{capture.name}: not on threads: its packets are read one by one")
            return False
        for one in slices:
            report.add_slice(one, self.session)
            progress.passed(one.packets, one.at)
            if one.odd:
                capture.resume(one.at, report.runs - before)
                return False
        return True

    def _write(self, out: Writer, frame: inputs.Frame, words: str, result: Result | None) -> None:
        """The packet as the program left it, with its verdict: none where the program returned nothing."""
        from bpfvm.obj.captures.pcapng_write import verdict_of

        given, session, verdict = frame.given.packet or b"", self.session, b""
        data = given if result is None or result.packet is None else result.packet
        if result is not None and not (result.fault is not None and result.fault.machine):
            verdict = verdict_of(session.type.name, session.value_of(result))
        length = min(max(frame.length + len(data) - len(given), len(data)), (1 << 32) - 1)
        out.packet(frame.given.clock, data, session.type.layer or "eth", words, length, verdict)

    def _one(self, given: Input) -> tuple[str, Result | None]:
        self.report.runs += 1
        if self.trace is not None:
            self.trace.number = self.report.runs
        try:
            result = self.session.run(given) if self.sample is None else self.sample.run(given)
        except Unavailable as error:
            self.report.refuse(str(error))
            return f"not run: {error}", None
        return self.report.add(result, self.session), result
