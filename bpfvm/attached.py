"""Python programs in the kernel, attached: `prog.attach("eth0")`, `bpf.attach(issue, complete)`.

Programs that are attached together are one object, so that they share their maps. What is attached is a context
manager; when it is closed, or the process ends in any way, nothing stays attached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import UsageError

if TYPE_CHECKING:
    from bpfvm.kernel.attach import Link
    from bpfvm.kernel.table import Table
    from bpfvm.program import Program


class Attached:
    """Programs in the kernel. maps: by name, typed; links: one for each program, in their order. Close it, or use
    `with`."""

    def __init__(self, links: Sequence[Link], maps: Mapping[str, Table], opened: ExitStack) -> None:
        self.links, self._opened = tuple(links), opened
        self.maps: Mapping[str, Table] = MappingProxyType(dict(maps))

    def __repr__(self) -> str:
        return f"<bpfvm.Attached {'; '.join(map(repr, self.links)) or 'nothing'}>"

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Detach all and close the maps; again does nothing."""
        self._opened.close()


def attach(programs: Sequence[Program], target: Any = None, **options: Any) -> Attached:
    """Load the programs as one object and attach each. target, options: for the only program; else each goes where its
    decorator says.

    Raises CompileError, UsageError, and what bpfvm.kernel.attach raises; then nothing is attached.
    """
    from bpfvm.kernel.install import install

    if not programs:
        raise UsageError("bpf.attach() takes programs: bpf.attach(issue, complete)")
    spec = programs[0].object if len(programs) == 1 else _together(programs)
    with ExitStack() as opened:
        installed = opened.enter_context(install(spec, [one.name for one in programs]))
        links = [
            opened.enter_context(installed.programs[one.name].attach(_target(one, target), **options))
            for one in programs
        ]
        hidden = {name for name, one in spec.maps.items() if one.hidden}
        maps = {name: table for name, table in installed.maps.items() if name not in hidden}
        return Attached(links, maps, opened.pop_all())


def _together(programs: Sequence[Program]) -> Any:
    from bpfvm.program import compile_object

    return compile_object(programs)[0]


def _target(program: Program, given: Any) -> Any:
    """What a program is attached to: what is given, or what its decorator was, where its section does not say it."""
    targets = program.hook.targets if program.hook is not None else ()
    if given is not None or not targets:
        return given
    return targets[0] if len(targets) == 1 else list(targets)
