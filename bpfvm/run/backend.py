"""The protocol that every machine speaks, and the table of machines.

A backend loads one program of an object and runs it on inputs; map contents stay between runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.obj.model import ObjectSpec


class Loaded(Protocol):
    """A program loaded by a machine, with its maps."""

    def run(self, given: Input) -> Result:
        """Run once. Raises Unavailable for an input that this machine cannot take."""

    def read_map(self, name: str) -> Entries: ...

    def write_map(self, name: str, entries: Entries) -> None: ...

    def close(self) -> None: ...


class Backend(Protocol):
    """A machine: `load` raises LoadError, VerifierReject or Unavailable."""

    @property
    def name(self) -> str: ...

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One row of the table. missing: why the engine cannot be used here, or None."""

    name: str
    open: Callable[[], Backend]
    missing: Callable[[], str | None]


def _interp() -> Backend:
    from bpfvm.emulator import INTERP

    return INTERP


def _portable() -> Backend:
    from bpfvm.emulator import PORTABLE

    return PORTABLE


def _native() -> Backend:
    from bpfvm.emulator import NATIVE

    return NATIVE


def _native_missing() -> str | None:
    from bpfvm.emulator.native.code.engine import missing

    return missing()


def _kernel() -> Backend:
    from bpfvm.kernel import KERNEL

    return KERNEL


def _kernel_missing() -> str | None:
    from bpfvm.kernel import available

    return available()


AUTO = "portable"  # the fastest tier that needs nothing but Python

# `cpython` is not among them: it needs the function itself, see bpfvm.sim.
ENGINES: tuple[Engine, ...] = (
    Engine("interp", _interp, lambda: None),
    Engine("portable", _portable, lambda: None),
    Engine("native", _native, _native_missing),
    Engine("kernel", _kernel, _kernel_missing),
)


def engine(
    name: str, helpers: Mapping[str, Callable[..., Any]] | None = None, cpus: int = 1, threads: bool = False,
    safe: bool = False,
) -> Backend:  # fmt: skip
    """The backend called `name`; "auto" is the fastest emulator tier. Unavailable says why one cannot be used.

    helpers: Python functions in place of helpers and kernel functions, by name; see bpfvm.emulator.answers.
    cpus: virtual CPUs of an emulator. threads: one for each of them over captures, of engine native; safe: its mode
    for programs that a verifier accepted.
    """
    name = AUTO if name == "auto" else name
    known(name)
    for row in ENGINES:
        if row.name == name:
            reason = row.missing()
            if reason is not None:
                raise Unavailable(f"engine {name}: {reason}")
            if (threads or safe) and name != "native":
                raise UsageError(f"{'threads are' if threads else 'mode safe is'} of engine native, not {name}")
            plain = not helpers and cpus == 1 and not threads and not safe
            return row.open() if plain else configured(row.open(), helpers or {}, cpus, threads=threads, safe=safe)
    raise Unavailable(f"engine {name} runs Python functions, and is opened for one of them")


def known(name: str) -> None:
    """Raise UsageError for a name of no engine."""
    names = ("auto", "cpython", *(row.name for row in ENGINES))
    if name not in names:
        raise UsageError(f"there is no engine {name!r}; engines are {', '.join(names)}")


def configured(
    backend: Backend, helpers: Mapping[str, Callable[..., Any]], cpus: int, arch: str = "x86_64", threads: bool = False,
    safe: bool = False,
) -> Backend:  # fmt: skip
    """The same engine with helpers of the user's, so many CPUs, registers of another architecture."""
    from bpfvm.emulator import Emulator

    if not isinstance(helpers, Mapping):
        raise UsageError(f"helpers={helpers!r:.80}: functions for helpers are given as {{name: function}}")
    if not isinstance(backend, Emulator):
        if helpers:
            raise Unavailable(
                f"engine {backend.name} has its own helpers; Python functions stand for them in emulators"
            )
        raise Unavailable(f"engine {backend.name} has its own CPUs: emulators have as many as one likes")
    answers = {**backend.answers, **helpers}
    return Emulator(backend.name, backend.budget, cpus, answers, safe or backend.safe, arch, threads)
