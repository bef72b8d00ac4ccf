"""The machine called `kernel`: programs loaded and run by bpf(2) on the host's own kernel.

Importing this package asks nothing of the host. `available` says whether it can be used; `KERNEL` is the backend.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.core.machine import Entries
from bpfvm.kernel.objects.load import load_object
from bpfvm.kernel.probes.available import available
from bpfvm.kernel.runs.run import LoadedProgram
from bpfvm.obj.model import ObjectSpec

__all__ = ["KERNEL", "KernelBackend", "LoadedProgram", "available"]


class KernelBackend:
    """The backend: attaches nothing, pins nothing; what it opens is gone when the loaded program is closed."""

    name = "kernel"

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries] | None = None) -> LoadedProgram:
        """Load `program` of `spec`, its maps filled with `maps`. Raises LoadError, VerifierReject or Unavailable."""
        return load_object(spec, program, maps or {})


KERNEL = KernelBackend()
