"""An Outcome: one run's result with types: what users see and what machines are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.core.machine import Fault


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What one run gave.

    value: r0 by the program's return type; the function's result for `@bpf.function`.
    action: the value's name where the program type names it ("XDP_PASS"), else None.
    packet: its bytes after the run, None without one. ctx: context fields after, by name; of a struct as its types say.
    maps: map name -> {key: value}, typed by BTF; of a data section the variables by name. trace: a list of lines
    printed. events: map name -> a list of records, as bytes.
    lost: map name -> records that found no room, where the machine counts them. redirect: where the packet goes, in
    words, None for nowhere or where the machine does not tell.
    fault: how the run ended early, or None. insns: executed, 0 where the machine does not count; never compared.
    warnings: doubtful things that the reference tier saw, such as a read of stack never written; never compared.
    engines: the machines that agreed on it.
    """

    value: int
    action: str | None = None
    packet: bytes | None = None
    maps: Mapping[str, dict[Any, Any]] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    ctx: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, list[Any]] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    redirect: str | None = None
    fault: Fault | None = None
    insns: int = 0
    warnings: tuple[Fault, ...] = ()
    engines: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The value, and the fault with its place where there was one, in words."""
        value = f"gave {self.action or repr(self.value)}"
        return value if self.fault is None else f"{value} after the fault {self.fault}"

    def __repr__(self) -> str:
        """Short, for the reports of tests: what is empty is left out."""
        parts = [f"value={self.value!r}", *([f"action={self.action!r}"] if self.action else [])]
        if self.fault is not None:
            parts.append(f"fault=<{self.fault}>")
        if self.maps:
            parts.append(f"maps={{{', '.join(self.maps)}}}")
        return f"<Outcome {' '.join(parts)}>"
