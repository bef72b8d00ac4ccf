"""Executables as the kernel maps them: segments, entry, interpreter, where functions are (System V gABI, x86-64)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError, Unavailable

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MOST = 1 << 30  # bytes that the segments of one file may take in memory
_FUNCTIONS = ("STT_FUNC", "STT_GNU_IFUNC")


@dataclass(frozen=True, slots=True)
class Segment:
    """Memory from `address` on: `data`, and zeros up to `size` bytes."""

    address: int
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Image:
    """One file. Addresses are the file's own; `fixed` says that they are memory's too.

    headers: address and number of the program headers, as the auxiliary vector tells them.
    interpreter: path of the dynamic linker, "" for a static program. functions: addresses by name.
    """

    path: str
    segments: tuple[Segment, ...]
    entry: int
    fixed: bool
    headers: tuple[int, int]
    interpreter: str
    functions: Mapping[str, int]

    def function(self, name: str) -> int:
        """The address of a function. LoadError says what names there are like it."""
        if name in self.functions:
            return self.functions[name]
        import difflib

        near = difflib.get_close_matches(name, self.functions, 3) or sorted(self.functions)[:5]
        known = ", ".join(near) or "none with a name"
        raise LoadError(f"{self.path}: there is no function {name!r}; there are {known}")


def read_image(path: str) -> Image:
    """An x86-64 executable. LoadError for any other file, Unavailable without pyelftools."""
    try:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile
    except ImportError:
        raise Unavailable("running a process takes pyelftools: pip install 'bpfvm[uprobes]'") from None
    try:
        with Path(path).open("rb") as file:
            return _image(path, ELFFile(file))
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror or error}") from None
    except LoadError:
        raise
    except (ELFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # a damaged header makes the library fail in all of these ways
        raise LoadError(f"{path}: not an ELF file that can be read: {error or type(error).__name__}") from None


def _image(path: str, elf: ELFFile) -> Image:
    machine, kind = elf["e_machine"], elf["e_type"]
    if machine != "EM_X86_64" or elf.elfclass != 64:
        raise LoadError(f"{path}: machine {machine} is not emulated, x86-64 is")
    if kind not in ("ET_EXEC", "ET_DYN"):
        raise LoadError(f"{path}: file type {kind} is no executable")
    segments: list[Segment] = []
    interpreter, headers = "", 0
    one: Any
    for one in elf.iter_segments():
        if one["p_type"] == "PT_INTERP":
            interpreter = one.get_interp_name()
        if one["p_type"] == "PT_LOAD":
            segments.append(_segment(path, one))
            if one["p_offset"] <= elf["e_phoff"] < one["p_offset"] + one["p_filesz"]:
                headers = one["p_vaddr"] + elf["e_phoff"] - one["p_offset"]
    if not segments or sum(one.size for one in segments) > MOST:
        raise LoadError(f"{path}: its segments take no memory or more than {MOST} bytes")
    return Image(
        path, tuple(segments), elf["e_entry"], kind == "ET_EXEC", (headers, elf["e_phnum"]), interpreter,
        _functions(elf),
    )  # fmt: skip


def _segment(path: str, one: Any) -> Segment:
    if one["p_filesz"] > one["p_memsz"] or one["p_memsz"] > MOST or one["p_vaddr"] >= 1 << 47:
        raise LoadError(f"{path}: a segment of {octets(one['p_memsz'])} at {one['p_vaddr']:#x} cannot be mapped")
    data = one.data()
    if len(data) != one["p_filesz"]:
        raise LoadError(f"{path}: the file ends inside a segment")
    return Segment(one["p_vaddr"], one["p_memsz"], data)


def _functions(elf: ELFFile) -> dict[str, int]:
    """Functions by name; those that the linker may name later, .dynsym, count where .symtab is stripped."""
    found: dict[str, int] = {}
    for name in (".dynsym", ".symtab"):
        table: Any = elf.get_section_by_name(name)
        for one in table.iter_symbols() if table is not None else ():
            if one["st_info"]["type"] in _FUNCTIONS and one["st_shndx"] != "SHN_UNDEF":
                found[one.name] = one["st_value"]
    return found
