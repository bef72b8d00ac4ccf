"""Python programs in the kernel, attached: `prog.attach("eth0")`, `bpf.attach(issue, complete)`.

Programs that are attached together are one object. A declared map is one map, whatever uses it: what is attached later
shares it, and user space reads it by its declaration. What is attached is a context manager; when it is closed, or the
process ends in any way, nothing stays attached.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from bpfvm.lang import userspace
from bpfvm.lang.maps import Map, losses
from bpfvm.obj.model import ObjectSpec

_LOG = logging.getLogger("bpfvm")

if TYPE_CHECKING:
    from bpfvm.kernel.attach import Link
    from bpfvm.obj.values.typed_map import TypedMap


class Attached:
    """Programs in the kernel. maps: by name, typed; links: one for each program and target, in order. Close it, or use
    `with`."""

    def __init__(self, links: Sequence[Link], maps: Mapping[str, TypedMap], opened: ExitStack) -> None:
        self.links, self._opened = tuple(links), opened
        self.maps: Mapping[str, TypedMap] = MappingProxyType(dict(maps))

    def __repr__(self) -> str:
        return f"<bpfvm.Attached {'; '.join(map(repr, self.links)) or 'nothing'}>"

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Detach all and close the maps; again does nothing."""
        self._opened.close()


def attach(
    spec: ObjectSpec, places: Sequence[tuple[str, Any]], declared: Mapping[str, Map],
    programs: Sequence[Any] = (), **options: Any,
) -> Attached:  # fmt: skip
    """Load programs of an object and attach each. places: their names, with what they are attached to, None where their
    section says it. declared: maps by their names, which are those of user space until all that uses them is closed.
    programs: bpfvm.Program of each. options: of each, by its kind.

    Raises what bpfvm.kernel.attach raises; then nothing is attached.
    """
    from bpfvm.kernel.maps.declared import KernelSpace, KernelStore, stores
    from bpfvm.kernel.objects.install import install

    instead = userspace.world()
    if instead is not None:
        with ExitStack() as opened:
            maps = instead.attach(spec, [name for name, _ in places], declared, programs, opened)
            return Attached((), maps, opened.pop_all())
    there = {name: userspace.live(one) for name, one in declared.items()}
    reuse = {name: one.table for name, one in there.items() if isinstance(one, KernelStore)}
    with ExitStack() as opened:
        installed = opened.enter_context(install(spec, [name for name, _ in places], reuse=reuse))
        shown = {name: table for name, table in installed.maps.items() if not spec.maps[name].hidden}
        mine = {name: one for name, one in declared.items() if name in shown}
        opened.enter_context(userspace.opened(KernelSpace(), stores(shown, mine)))
        for name, ring in mine.items():
            store, counted = userspace.live(ring), installed.maps.get(losses.section(name))
            if isinstance(store, KernelStore) and counted is not None:
                store.count(counted)
        links = [opened.enter_context(installed.programs[name].attach(to, **options)) for name, to in places]
        for one in links:
            _LOG.info("%s is attached: %s", one.program, ", ".join(one.where))
            opened.callback(_LOG.info, "%s is detached", one.program)
        return Attached(links, shown, opened.pop_all())
