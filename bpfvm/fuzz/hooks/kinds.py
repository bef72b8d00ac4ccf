"""Kinds of programs that are generated: what they see and what they may do. One row a kind.

What a kind may do with the packet and the context comes from the tables of program types and contexts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bpfvm.lang.hooks import Hook, hook
from bpfvm.lang.packets.headers import HEADERS, ROOTS, Header
from bpfvm.tables.ctx import CONTEXTS, Context
from bpfvm.tables.progs import ProgramType


@dataclass(frozen=True, slots=True)
class Kind:
    """name: of the decorator. weight: how often it is made. word: what its decorator is given, "" for nothing. frags:
    whether it sees packets in several pieces.

    given: fields of the context that inputs set, with the bits that they may have.
    """

    name: str
    weight: int
    word: str = ""
    given: Mapping[str, int] | None = None
    frags: bool = False

    @property
    def hook(self) -> Hook:
        """As the decorator makes it."""
        return _hook(self.name, self.word, self.frags)

    @property
    def type(self) -> ProgramType:
        """The program type."""
        return self.hook.program_type

    @property
    def root(self) -> Header:
        """What `pkt` is."""
        return HEADERS[ROOTS[self.type.layer or ""]]

    @property
    def context(self) -> Context:
        """What the first parameter is."""
        return CONTEXTS[self.type.context or ""]

    @property
    def is_truth(self) -> bool:
        """Whether the kernel takes 0 and 1 alone as results."""
        return self.hook.returns == (0, 1)


@cache
def _hook(name: str, word: str, frags: bool) -> Hook:
    return hook(name, (word,) if word else (), options=("frags",) if frags else ())


_SKB = {"mark": 32, "priority": 32, "cb[0]": 32, "cb[1]": 32, "cb[4]": 32}

KINDS: tuple[Kind, ...] = (
    Kind("xdp", 40),
    Kind("tc", 22, given=_SKB),
    Kind("xdp", 6, frags=True),
    Kind("tc", 5, given=_SKB, frags=True),
    Kind("tc_action", 4, given=_SKB),
    Kind("socket", 12, given=_SKB),
    Kind("cgroup_skb", 5, "ingress", _SKB),
    Kind("cgroup_skb", 2, "egress", _SKB),
    Kind("lwt_in", 4, given=_SKB),
    Kind("lwt_out", 4, given=_SKB),
    Kind("lwt_xmit", 8, given=_SKB),
    Kind("lwt_xmit", 2, given=_SKB, frags=True),
    Kind("flow_dissector", 4),
)
