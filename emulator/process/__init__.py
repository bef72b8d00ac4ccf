"""Programs of the host under emulation, for programs on uprobes: Process, Hit."""

from __future__ import annotations

from bpfvm.emulator.process.process import Hit, Process

__all__ = ["Hit", "Process"]
