"""A program that sees packets in frags, by dynptrs."""

from __future__ import annotations

from tests.packets.machines import Case

CASES: tuple[Case, ...] = (Case("dynptr_ports.o", "dynptr_ports"),)
