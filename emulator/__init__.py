"""Running eBPF without a kernel."""

if __name__ != "bpfvm.emulator":
    raise ImportError(f"import this package as 'bpfvm.emulator', not {__name__!r}")

from bpfvm.emulator.machine import Emulator, Loaded

INTERP = Emulator("interp")
PORTABLE = Emulator("portable")
NATIVE = Emulator("native")

__all__ = ["INTERP", "NATIVE", "PORTABLE", "Emulator", "Loaded"]
