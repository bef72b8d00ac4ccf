"""The table of diagnostic codes. A row's title is its name in documents; its message is made where it is raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One code. E0xx: the source cannot be compiled. W1xx: it can, but is likely not what was meant."""

    id: str
    title: str


_ROWS: tuple[Code, ...] = (
    Code("E001", "the source on disk is not the code that is running"),
    Code("E002", "no source text"),
    Code("E003", "two functions in one place cannot be told apart"),
    Code("E010", "an unknown name"),
    Code("E011", "a global that has no meaning in a BPF program"),
    Code("E012", "a call of something that cannot be called in a BPF program"),
    Code("E013", "wrong arguments"),
    Code("E014", "a parameter or return annotation that has no meaning here"),
    Code("E020", "a value of another type than the place takes"),
    Code("E021", "a value that may not fit where it is stored"),
    Code("E022", "an operand of the wrong kind"),
    Code("E023", "a ctypes structure or a dataclass made in a function"),
    Code("E024", "a return value where none can be given, or none where one is needed"),
    Code("E025", "a constant expression that raises"),
    Code("E030", "a value that may be None"),
    Code("E031", "a store or a comparison in memory that is not the program's"),
    Code("E032", "an update of a key that may be missing"),
    Code("E034", "a view of the packet from before it was moved"),
    Code("E033", "the length of a map"),
    Code("E035", "something taken that is not given back on every way"),
    Code("E036", "something given back that is not held"),
    Code("E037", "no such header, field or attribute"),
    Code("E040", "an exact value may not fit in 64 bits"),
    Code("E041", "u64 and s64 in one operation"),
    Code("E042", "division that makes a float"),
    Code("E043", "an exponent that is not a constant"),
    Code("E044", "`is` on something other than None, True and False"),
    Code("E045", "a constant that a BPF program cannot hold"),
    Code("E046", "an operation whose result depends on which branch gave the operand its type"),
    Code("E047", "branches that leave different kinds of value in one name"),
    Code("E048", "an annotation that does not convert"),
    Code("E049", "an annotation of a modular type on a plain value"),
    Code("E050", "a name that may not be bound"),
    Code("E051", "assignment to a global"),
    Code("E060", "`try`"),
    Code("E061", "recursion"),
    Code("E062", "a construct that is not available in BPF programs"),
    Code("E063", "a construct that this version does not compile yet"),
    Code("E064", "too many calls"),
    Code("E065", "a function that is nested too deeply"),
    Code("E071", "too much stack"),
    Code("W101", "the packet's name was not imported"),
    Code("W110", "`~` of a truth value"),
    Code("W111", "the truth of a value that may be None"),
    Code("W112", "a call that is computed once, when the program is compiled"),
    Code("W113", "a captured object that may change"),
    Code("W114", "an update that is not atomic"),
    Code("W115", "a store that may cut the value"),
    Code("W116", "bytes that were replaced after they were named"),
    Code("W120", "a header that no test has asked for"),
    Code("W130", "a comparison that is always true or always false"),
    Code("W131", "a lookup whose result is not used"),
    Code("W140", "a loop that costs the kernel's verifier much"),
    Code("W141", "a loop that the target kernel may not carry"),
)

CODES: Mapping[str, Code] = {row.id: row for row in _ROWS}
