"""`--checked-sample N`: one packet in N is run on the reference tier, too, from the same state, and compared.

What is compared is all that a run gives, the instructions that it took, and the memory of all maps behind it. Packets
are those whose numbers N divides, counted over all captures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.cli import inputs
from bpfvm.cli.report import Report
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input, Result
from bpfvm.obj.captures.capture import Capture
from bpfvm.run.session import Session

if TYPE_CHECKING:
    from bpfvm.cli.runs import Options

TIERS = ("portable", "native")


class Sampled:
    """Both ways of it: for runs one by one, and, as emulator.native.captures.batch.Sample, for compiled loops."""

    def __init__(self, session: Session, options: Options, base: Input, report: Report) -> None:
        """UsageError for an engine that is not compared."""
        if session.engine not in TIERS:
            known = " and ".join(TIERS)
            raise UsageError(f"--checked-sample compares engines {known} with interp, not {session.engine}")
        from bpfvm.emulator.replay import Replay

        assert options.checked_sample is not None, "asked before"
        self.every, self._cpus = options.checked_sample, options.cpus
        self._session, self._base, self._report = session, base, report
        self._replay = Replay(session.machine)
        self._capture: Capture | None = None
        self._first = 0
        report.checked = 0

    def of(self, capture: Capture, before: int) -> Sampled:
        """The same for a capture that is run in a loop. before: packets in front of it."""
        self._capture, self._first = capture, before
        return self

    def run(self, given: Input) -> Result:
        """Session.run, compared where it is the packet's turn. Unavailable as there."""
        number = self._report.runs
        if number % self.every:
            return self._session.run(given)
        self._replay.before()
        result = self._session.machine.run(given)
        self._compare(number, given, result)
        return self._session.named(result)

    def before(self) -> None:
        """Part of Sample."""
        self._replay.before()

    def after(self, number: int, at: int, result: Result) -> None:
        """Part of Sample."""
        assert self._capture is not None, "a loop is over a capture"
        self._capture.resume(at, number - 1 - self._first)
        frame = next(inputs.frames(self._capture, self._session.type, self._base, self._cpus, number))
        self._compare(number, frame.given, result)

    def _compare(self, number: int, given: Input, result: Result) -> None:
        from bpfvm.fuzz.differ import results_differ

        engine = self._session.engine
        try:
            other, memory = self._replay.again(given)
        except Unavailable as error:
            self._report.unequal.append((number, [f"engine interp cannot run it: {error}"]))
            return
        lines = results_differ(engine, result, "interp", other)[1]
        if result.insns != other.insns:
            lines.append(f"instructions: {engine} {result.insns}, interp {other.insns}")
        if result.events != other.events:
            kept, others = ({name: len(records) for name, records in one.events.items()} for one in (result, other))
            lines.append(f"records: {engine} {kept}, interp {others}, or of other bytes")
        lines += [f"memory: {engine} {line}" for line in memory]
        self._report.checked = (self._report.checked or 0) + 1
        if lines:
            self._report.unequal.append((number, lines))
