"""What a generated expression is: its text, the class of its value in CPython, and where its exact value lies."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.lang.functions.signature import Scalar
from bpfvm.lang.types.interval import BOOL, S64, U64, Interval
from bpfvm.lang.types.scalars import SCALARS, Storage, s64, u64

KINDS = {"int": None, "bool": None, "u64": u64, "s64": s64}

# What a variable, a parameter or a result may be declared as.
DECLARED: tuple[type, ...] = (*SCALARS, bool, int)
PLAIN: tuple[Storage, ...] = tuple(one for one in SCALARS if not one.is_big)
NARROW: tuple[Storage, ...] = tuple(one for one in PLAIN if not one.is_modular)


@dataclass(frozen=True, slots=True)
class Term:
    """text: in parentheses where it needs them. kind: a key of KINDS. range: no narrower than the values are.

    simple: a name or a constant, which costs nothing to write twice.
    """

    text: str
    kind: str
    range: Interval
    simple: bool = False

    @property
    def modular(self) -> Storage | None:
        """u64 or s64 where its arithmetic wraps, else None."""
        return KINDS[self.kind]

    @property
    def exact(self) -> bool:
        """Whether a register holds its exact value: a plain int may be known mod 2**64 alone."""
        return self.range.exact


def kind_of(annotation: type) -> str:
    """The class of a value of this type."""
    if annotation is bool:
        return "bool"
    return annotation.__name__ if isinstance(annotation, Storage) and annotation.is_modular else "int"


def range_of(annotation: type) -> Interval:
    """Where values of this type lie."""
    return Scalar(annotation).range


def fits(term: Term, annotation: type) -> bool:
    """Whether the term can be stored in a name of this type as it is: its class is right, and its range."""
    return term.kind == kind_of(annotation) and term.range.within(range_of(annotation))


def converted(term: Term, annotation: type) -> Term:
    """The term as a value of the type, by a cast where it is not one already."""
    if fits(term, annotation):
        return term
    if annotation is bool:
        return Term(f"bool({_whole(term).text})", "bool", BOOL)
    name = annotation.__name__ if annotation is not int else "int"
    if annotation is int:
        return Term(f"int(s64({term.text}))", "int", S64)
    return Term(f"{name}({term.text})", kind_of(annotation), range_of(annotation))


def _whole(term: Term) -> Term:
    """The term where its exact value is wanted: wrapped where it may not fit."""
    return term if term.exact else Term(f"u64({term.text})", "u64", U64)
