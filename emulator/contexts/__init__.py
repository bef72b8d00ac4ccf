"""Contexts: what r1 points to when a program starts, built from an input by the program type's table row."""

from bpfvm.emulator.contexts.builder import ContextBuilder
from bpfvm.emulator.contexts.context import Context

__all__ = ["Context", "ContextBuilder"]
