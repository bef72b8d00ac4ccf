"""Python programs in the kernel, attached: `prog.attach("eth0")`, `bpf.attach(issue, complete)`.

Programs that are attached together are one object, so that they share their maps. What is attached is a context
manager; when it is closed, or the process ends in any way, nothing stays attached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from bpfvm.obj.model import ObjectSpec

if TYPE_CHECKING:
    from bpfvm.kernel.attach import Link
    from bpfvm.kernel.table import Table


class Attached:
    """Programs in the kernel. maps: by name, typed; links: one for each program and target, in order. Close it, or use
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


def attach(spec: ObjectSpec, places: Sequence[tuple[str, Any]], **options: Any) -> Attached:
    """Load programs of an object and attach each. places: their names, with what they are attached to, None where their
    section says it. options: of each, by its kind.

    Raises what bpfvm.kernel.attach raises; then nothing is attached.
    """
    from bpfvm.kernel.install import install

    with ExitStack() as opened:
        installed = opened.enter_context(install(spec, [name for name, _ in places]))
        links = [opened.enter_context(installed.programs[name].attach(to, **options)) for name, to in places]
        shown = {name: table for name, table in installed.maps.items() if not spec.maps[name].hidden}
        return Attached(links, shown, opened.pop_all())
