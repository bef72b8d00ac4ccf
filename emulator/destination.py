"""Where a packet goes: which target that helpers recorded in `System.redirect` counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.core.bits import M32

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

XDP_REDIRECT, TC_REDIRECT, SK_PASS = 4, 7, 1

# program type -> the result that makes a recorded target count, any other type: any result
_MEANS: Mapping[str, int] = {
    "xdp": XDP_REDIRECT, "sched_cls": TC_REDIRECT, "sched_act": TC_REDIRECT, "lwt_xmit": TC_REDIRECT,
    "sk_skb": SK_PASS, "sk_msg": SK_PASS, "sk_lookup": SK_PASS, "sk_reuseport": SK_PASS,
}  # fmt: skip


def destination(system: System, kind: str, r0: int) -> str | None:
    """Where packets go when a program of this type returned `r0`: copies, then the packet. None for nowhere."""
    if system.redirect is None and not system.clones:
        return None
    places = [f"clone to {one}" for one in system.clones]
    if system.redirect is not None and (kind not in _MEANS or r0 & M32 == _MEANS[kind]):
        places.append(system.redirect)
    return ", ".join(places) or None
