"""Where the functions of a code section begin and end: what its symbols say, and what they leave open.

Compilers have told functions in several ways: symbols of type FUNC with a size (clang since 6, gcc), global symbols
without type or size (clang before 6), no symbol at all (assemblers). Without a size, one ends where the next begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT
from bpfvm.obj.elf.container import FUNC, LOCAL, NOTYPE, Section, Symbol

TEXT = ".text"


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a function. is_entry: whether a loader takes it for a program, if its section is one of programs."""

    text: str
    is_static: bool
    is_entry: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """A function from slot `start` to before slot `end` of its section. names: one or more, the first is its own."""

    start: int
    end: int
    names: tuple[Name, ...]


def is_text(section: str) -> bool:
    """Whether `section` holds functions that programs call, and no programs."""
    return section == TEXT or section.startswith(f"{TEXT}.")


def candidates(symbols: Iterable[Symbol]) -> dict[int, list[Symbol]]:
    """The symbols that can name functions, by section. Local ones without a type are labels."""
    found: dict[int, list[Symbol]] = {}
    for one in symbols:
        if one.section > 0 and one.name and (one.type == FUNC or (one.type == NOTYPE and one.binding != LOCAL)):
            found.setdefault(one.section, []).append(one)
    return found


def bounds(section: Section, symbols: Sequence[Symbol]) -> list[Bounds]:
    """The functions of `section` in order of place; symbols: its candidates. LoadError where they cannot be cut.

    What lies between them must be padding, which is all zeros.
    """
    if section.size % SLOT:
        raise LoadError(f"section {section.name}: code of {octets(section.size)} is not whole 8-byte instructions")
    at = _by_start(section, symbols)
    if not at:
        return [Bounds(0, section.size // SLOT, (Name(section.name, is_text(section.name), True),))]
    starts = sorted(at)
    found = []
    last = 0
    for start, following in zip(starts, [*starts[1:], section.size], strict=True):
        _check_padding(section, last, start)
        last = _end(section, at[start], start, following)
        found.append(Bounds(start // SLOT, last // SLOT, _names(at[start])))
    _check_padding(section, last, section.size)
    return found


def _by_start(section: Section, symbols: Sequence[Symbol]) -> Mapping[int, list[Symbol]]:
    """Symbols by offset. Those without a type do not count inside a function that has a type and a size."""
    typed = [one for one in symbols if one.type == FUNC]
    inside = [(one.value, one.value + one.size) for one in typed if one.size]
    inside.sort()
    found: dict[int, list[Symbol]] = {}
    for one in typed:
        found.setdefault(one.value, []).append(one)
    at = 0
    for one in sorted((one for one in symbols if one.type != FUNC), key=lambda one: one.value):
        while at < len(inside) and inside[at][1] <= one.value:
            at += 1
        if at == len(inside) or inside[at][0] >= one.value:
            found.setdefault(one.value, []).append(one)
    for start, named in found.items():
        if start % SLOT or start >= section.size:
            raise LoadError(
                f"section {section.name}: function {named[0].name} begins at {start:#x}, wanted the start of an "
                f"instruction in {octets(section.size)}"
            )
    return found


def _end(section: Section, named: Sequence[Symbol], start: int, following: int) -> int:
    """Where the function at `start` ends; following: where the next one or the section's end is."""
    sizes = sorted({one.size for one in named if one.size})
    first = named[0].name
    if len(sizes) > 1:
        raise LoadError(f"section {section.name}: function {first} at {start:#x} has {sizes[0]} and {octets(sizes[1])}")
    if not sizes:
        code = bytes(section.data.cut(start, following - start, "code"))
        used = len(code.rstrip(b"\0"))
        return start + -(-used // SLOT) * SLOT if used else following
    if sizes[0] % SLOT or start + sizes[0] > following:
        what = "its section ends" if following == section.size else "the next function begins"
        raise LoadError(
            f"section {section.name}: function {first} has {octets(sizes[0])} at {start:#x}, wanted whole "
            f"instructions, and {what} at {following:#x}"
        )
    return start + sizes[0]


def _names(named: Sequence[Symbol]) -> tuple[Name, ...]:
    ordered = sorted(named, key=lambda one: (one.is_static, one.type != FUNC))
    texts = {one.name: Name(one.name, one.is_static, one.binding != LOCAL) for one in reversed(ordered)}
    return tuple(reversed(texts.values()))


def _check_padding(section: Section, start: int, end: int) -> None:
    if any(section.data.cut(start, end - start, "padding")):
        raise LoadError(
            f"section {section.name}: {end - start} bytes of code at {start:#x} are in no function: the place or size "
            "of a symbol is wrong"
        )
