"""`--trace`: every instruction as it is executed, with the registers that it names, on standard error."""

from __future__ import annotations

import re

import click

from bpfvm.core.errors import UsageError
from bpfvm.emulator.code import Step
from bpfvm.emulator.interp import Interpreter
from bpfvm.emulator.memory import Pointer
from bpfvm.run.listing import rows
from bpfvm.run.session import Session

_REGISTER = re.compile(r"\b[rw](\d+)\b")


class Trace:
    """Prints what the interpreter of `session` executes. number: of the input that runs, set by who runs it."""

    def __init__(self, session: Session) -> None:
        """UsageError for another engine than interp."""
        tier = getattr(session.machine, "tier", None)
        if not isinstance(tier, Interpreter):
            raise UsageError(f"--trace is made by engine interp, not {session.engine}")
        self.number = 0
        self._tier, self._spec = tier, session.spec
        self._texts: dict[str, dict[int, str]] = {}
        tier.watch = self._step

    def _step(self, step: Step, executed: int) -> None:
        code = self._tier.code
        assert code is not None, "a program runs"
        program = code.program
        if program.name not in self._texts:
            self._texts[program.name] = {row.slot: row.text for row in rows(program, self._spec)}
        text = self._texts[program.name].get(step.slot, step.op.name)
        named = sorted({int(one) for one in _REGISTER.findall(text)})
        values = ", ".join(f"r{one}={self._value(one)}" for one in named if one <= 10)
        click.echo(f"{self.number} {program.name} {step.slot:>5}: {text:<40} {values}".rstrip(), err=True)

    def _value(self, register: int) -> str:
        value = self._tier.registers[register]
        if value is None:
            return "?"
        return f"{value.region.name}{value.offset:+}" if isinstance(value, Pointer) else f"{value:#x}"
