"""Every committed object on a machine: its programs loaded and, where it runs their type, run and compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.kernel.host.sizes import possible_cpus
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.run.backend import Backend, engine
from bpfvm.run.compare import differences
from bpfvm.run.outcome import Outcome
from bpfvm.run.session import Session
from bpfvm.tables.progs import ProgramType
from examples.traffic import frames
from tests.contract import exceptions
from tests.contract.comparison import Comparison

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = (TESTS / "objects", TESTS / "packets", TESTS / "process")
FRAMES = tuple(frame.ljust(64, b"\0") for frame in (*frames()[::4], frames()[-1]))
CONTEXTS = (bytes(range(128)), bytes(range(100, 228)), b"\xff" * 128)

Ran = tuple[tuple[Outcome, ...], str]  # outcomes of a program's runs, and why there are no more


@cache
def objects() -> dict[str, ObjectSpec]:
    """By name in their folder: the objects that can be read."""
    found = {}
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*.o")):
            try:
                found[str(path.relative_to(folder))] = read_object(path)
            except LoadError:
                assert path.parent.name == "refused", f"{path} cannot be read"
    return found


def machine(name: str) -> Backend:
    """The engine; emulators with as many CPUs as the kernel has, so that per-CPU values are alike."""
    return engine(name, cpus=possible_cpus() if name != "kernel" else 1)


def inputs(row: ProgramType) -> Sequence[Input]:
    """What programs of a type are run on."""
    if row.layer is not None or row.name == "sk_skb":
        return [Input(packet=frame if row.layer != "ip" else frame[14:]) for frame in FRAMES]
    if row.name == "syscall":
        return [Input(ctx=context) for context in CONTEXTS]
    return [Input()]


def compare(name: str) -> Comparison:
    """Every program of every object on the machine: refused in the words of objects.data, or loaded and run as on
    another machine."""
    found = Comparison()
    backend, other = machine(name), machine("portable" if name == "interp" else "interp")
    for file, spec in objects().items():
        found.counts["objects"] += 1
        for program in spec.programs:
            _compare(file, spec, program, backend, other, found)
    found.wrong += exceptions.unused({file: tuple(spec.programs) for file, spec in objects().items()})
    return found


def _compare(file: str, spec: ObjectSpec, program: str, backend: Backend, other: Backend, found: Comparison) -> None:
    place, wanted = f"{file} {program}", exceptions.refusal(file, program, kernel=not isinstance(backend, Emulator))
    try:
        session = Session(backend, spec, program)
    except BpfvmError as error:
        by_host = exceptions.of_host(file, program, str(error)) if not isinstance(backend, Emulator) else None
        if by_host is not None:
            found.elsewhere[f"by this host: {place}: {by_host.words}"] += 1
        elif wanted is not None and wanted.words in str(error):
            found.refused += 1
        else:
            found.wrong.append(f"{place}: {f'must say {wanted.words!r}, and says' if wanted else 'refused:'} {error}")
        return
    found.counts["programs"] += 1
    with session:
        if wanted is not None:
            found.wrong.append(f"{place}: it was loaded, and must be refused with {wanted.words!r}")
            return
        ran, reason = _run(session)
    if reason:
        found.elsewhere[reason] += 1
    theirs, lacks = _reference(file, program, other)
    if lacks and not theirs:
        return
    found.counts["runs"] += len(ran)
    found.wrong += [f"{place}: {line}" for line in _differences(backend.name, ran, other.name, theirs, file, program)]


def _run(session: Session) -> Ran:
    """A run on each input of the program's type, maps kept between them."""
    outcomes = []
    for given in inputs(session.type):
        try:
            outcomes.append(session.outcome(given))
        except Unavailable as error:
            return tuple(outcomes), re.sub(r" of type .*, not", ", but not of type", str(error))
    return tuple(outcomes), ""


_KEPT: dict[tuple[str, str, str], Ran] = {}


def _reference(file: str, program: str, other: Backend) -> Ran:
    """What another machine makes of the program's inputs; nothing where it does not take the program."""
    key = file, program, other.name
    if key not in _KEPT:
        try:
            with Session(other, objects()[file], program) as session:
                _KEPT[key] = _run(session)
        except BpfvmError as error:
            _KEPT[key] = (), str(error)
    return _KEPT[key]


def _differences(
    name: str, ran: Iterable[Outcome], other: str, theirs: Iterable[Outcome], file: str, program: str
) -> Iterator[str]:
    parts = exceptions.own(file, program)
    for number, (one, two) in enumerate(zip(ran, theirs, strict=False), 1):
        for line in differences(other, two, name, one):
            if not line.startswith(parts):
                yield f"run {number}: {line}"
