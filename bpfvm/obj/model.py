"""An eBPF object as pure data: the same on every machine, with no kernel and no clock behind it.

`ObjectSpec` is what ELF files are read into, what the compiler makes, and what every machine loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfvm.core.machine import Location
from bpfvm.isa.insn import Insn, slots

if TYPE_CHECKING:
    from bpfvm.obj.btf import Btf


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A map as declared. `type` is the kernel's name in lower case ("array"), sizes are bytes.

    key_type, value_type: type ids in the object's BTF, 0 where unknown.
    initial: contents at load for data sections (one value), else None.
    hidden: made by the compiler, not by the user; not shown among an outcome's maps.
    """

    name: str
    type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    key_type: int = 0
    value_type: int = 0
    initial: bytes | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class FaultSite:
    """One place in a compiled program that can take the fault exit; the record holds its index + 1."""

    kind: str  # the exception that CPython raises there
    message: str
    source: Location


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function behind a program's entry. slot: of its first instruction. is_static: checked with its callers."""

    name: str
    slot: int
    is_static: bool = False


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """One program: an entry function with the functions it calls behind it in `insns`.

    type: the kernel's program type in lower case ("xdp"). section: the ELF section's name.
    A map reference is an lddw row with `symbol` naming the map (`lddw_map`), or the map's value (`lddw_map_value`,
    the byte offset in the upper 32 bits of imm); machines bind names to their own maps at load.
    lines: slot -> source place, for the first instruction of each line, in slot order.
    fault_sites: the table behind the fault record map, empty in programs that keep none.
    functions: the functions behind the entry, in slot order; what is read from a file has them in order of first call.
    """

    name: str
    section: str
    type: str
    insns: tuple[Insn, ...]
    lines: Mapping[int, Location] = field(default_factory=dict)
    fault_sites: tuple[FaultSite, ...] = ()
    stack: int = 0  # bytes of stack that the entry function uses, where known
    functions: tuple[FunctionSpec, ...] = ()

    @property
    def slot_count(self) -> int:
        """Size in 8-byte instruction units."""
        return slots(self.insns)[-1]

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps that the program refers to, in order of first use."""
        named = (one.symbol for one in self.insns if one.op.name in ("lddw_map", "lddw_map_value"))
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def source_of(self, slot: int) -> Location | None:
        """The source place that the instruction at `slot` came from."""
        best = None
        for start, place in self.lines.items():
            if start > slot:
                break
            best = place
        return best


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """Programs and maps by name, the BTF that types them, and what the kernel asks of an object.

    sources: (file, line) -> text of that line, for the lines of programs whose text is known.
    skipped: what a file holds and this object does not, each with the reason; does not count in comparison.
    """

    programs: Mapping[str, ProgramSpec]
    maps: Mapping[str, MapSpec]
    btf: Btf | None = None
    license: str = "GPL"
    endian: str = "little"
    sources: Mapping[tuple[str, int], str] = field(default_factory=dict)
    skipped: tuple[str, ...] = field(default=(), compare=False)
