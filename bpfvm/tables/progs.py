"""Program types: uapi numbers (enum bpf_prog_type), ELF sections, contexts, names of return values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProgramType:
    """name: the uapi name in lower case without BPF_PROG_TYPE_.

    sections: ELF section names, a trailing "/" allows a suffix. context: its row in tables.ctx, None for a buffer.
    actions: return values that have names. fallback: what a program returns that ends by a fault or without a value.
    layer: the first packet header the program sees ("eth", "ip"), or None for types without packets.
    """

    name: str
    number: int
    sections: tuple[str, ...]
    context: str | None
    actions: Mapping[int, str] = field(default_factory=dict)
    fallback: int = 0
    layer: str | None = None
    ld_abs: bool = False  # whether legacy packet loads (RFC 9669 5.5) are allowed: the types whose context is an skb
    since: str = "3.18"


PROGRAM_TYPES: tuple[ProgramType, ...] = (
    ProgramType(
        "xdp", 6, ("xdp", "xdp/"), "xdp_md",
        actions={0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX", 4: "XDP_REDIRECT"},
        fallback=2, layer="eth", since="4.8",
    ),
    ProgramType("syscall", 31, ("syscall",), None, since="5.14"),
)  # fmt: skip

BY_NAME: Mapping[str, ProgramType] = {row.name: row for row in PROGRAM_TYPES}


def of_section(section: str) -> ProgramType | None:
    """The program type whose sections include `section` ("xdp", "xdp/anything"), or None."""
    for row in PROGRAM_TYPES:
        for known in row.sections:
            if section == known or (known.endswith("/") and section.startswith(known)):
                return row
    return None


# The names of return values as constants: XDP_PASS and its like.
globals().update({name: value for row in PROGRAM_TYPES for value, name in row.actions.items()})
