"""A map of a loaded program in the emulator as a dict: what stands in it now, keys and values typed by BTF.

Reading, storing and deleting are what user space does with bpf(2): a map's own limits and flags hold. The kernel's maps
look the same: `bpfvm.kernel.maps.table.Table`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.values.typed_map import TypedMap

if TYPE_CHECKING:
    import numpy

    from bpfvm.emulator.system import System


class MapView(TypedMap):
    """One map of the emulator's. Errors: KeyError for a key that is not there, UsageError for what does not fit."""

    def __init__(self, system: System, name: str, btf: Btf | None, endian: str) -> None:
        self._system, self._store_of = system, system.maps[name]
        super().__init__(self._store_of, btf, endian, system.cpus)

    def _shown(self, found: bytes | list[bytes]) -> Any:
        """What stands in a map of maps is a map."""
        shown = super()._shown(found)
        if self._row.holds != "map" or shown not in self._system.maps:
            return shown
        return MapView(self._system, shown, self._btf, self._endian)

    def numpy(self) -> numpy.ndarray[Any, Any]:
        """The values of an array as they lie in memory: one axis, and a second of CPUs for a per-CPU array.

        Structs become structured types. It is a view: it changes when programs run, and writing to it changes the map.
        UsageError for other types of map and for members that are no whole bytes.
        """
        import numpy

        from bpfvm.emulator.maps.array import ArrayMap
        from bpfvm.emulator.maps.percpu_array import PerCpuArrayMap

        store, spec = self._store_of, self.spec
        if not isinstance(store, ArrayMap | PerCpuArrayMap):
            raise UsageError(f"map {spec.name}: the values of {an(spec.type)} map do not lie side by side; use items()")
        cpus = (self.cpus,) if isinstance(store, PerCpuArrayMap) else ()
        strides = (store.stride * sum(cpus or (1,)), store.stride)[: 1 + len(cpus)]
        whole = numpy.frombuffer(store.values.data, dtype=numpy.uint8)
        view = numpy.ndarray((spec.max_entries, *cpus), self.value_dtype(), buffer=whole, strides=strides)
        if store.fields:  # locks, timers and references are the kernel's
            view.flags.writeable = False
        return view
