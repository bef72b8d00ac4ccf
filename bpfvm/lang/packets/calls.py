"""Calls on the packet as a whole: `pkt.adjust_head(-14)`. A row each, with the helper that it is.

The result is the helper's: 0, or an errno below 0. Whatever it is, views from before have no meaning after it, because
the packet may lie elsewhere, and begin elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpfvm.core.bits import M64, signed, swapped

_SIZES = 0xF  # BPF_F_HDR_FIELD_MASK


@dataclass(frozen=True, slots=True)
class Argument:
    """One number. default: None where it must be given. swapped: the helper takes it in network order, of so many
    bits; 0 for one that it takes as it is. sized: of so many bytes as the last argument's low bits say."""

    name: str
    default: int | None = None
    swapped: int = 0
    sized: bool = False

    def order(self, last: int) -> int:
        """Bits that are swapped. last: the last argument of the call. ValueError for a size that no number has."""
        if not self.sized:
            return self.swapped
        size = last & _SIZES
        if size not in (0, 2, 4):
            raise ValueError(f"a checksum is of numbers of 2 or 4 bytes, or of a difference (0), not of {size}")
        return 8 * size

    def word(self, value: int, last: int) -> int:
        """What the helper gets."""
        bits = self.order(last)
        return swapped(value & M64, bits) if bits else int(value) & M64


@dataclass(frozen=True, slots=True)
class PacketCall:
    """One call. helper: its first argument is the context, the others are `arguments`."""

    name: str
    helper: str
    arguments: tuple[Argument, ...] = ()

    def given(self, values: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        """The arguments in the helper's order, None where the default is meant. TypeError for what does not fit."""
        names = [one.name for one in self.arguments]
        if len(values) > len(names) or set(named) - set(names[len(values) :]):
            raise TypeError(f"{self} takes no such arguments")
        found = dict(zip(names, values, strict=False)) | dict(named)
        for one in self.arguments:
            if one.default is None and one.name not in found:
                raise TypeError(f"{self} needs {one.name}")
        return [found.get(name) for name in names]

    def words(self, values: Sequence[Any], named: Mapping[str, Any]) -> list[int]:
        """What the helper gets behind the context."""
        given = zip(self.arguments, self.given(values, named), strict=True)
        numbers = [(one, (one.default or 0) if value is None else value) for one, value in given]
        return [one.word(value, numbers[-1][1]) for one, value in numbers]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(_shown(one) for one in self.arguments)})"


def _shown(one: Argument) -> str:
    return one.name if one.default is None else f"{one.name}={one.default}"


_SIZE, _FLAGS = Argument("size"), Argument("flags", 0)

CALLS: Mapping[str, PacketCall] = {
    row.name: row
    for row in (
        PacketCall("adjust_head", "xdp_adjust_head", (Argument("delta"),)),
        PacketCall("adjust_tail", "xdp_adjust_tail", (Argument("delta"),)),
        PacketCall("adjust_meta", "xdp_adjust_meta", (Argument("delta"),)),
        PacketCall("pull_data", "skb_pull_data", (Argument("size", 0),)),
        PacketCall("change_head", "skb_change_head", (_SIZE, _FLAGS)),
        PacketCall("change_tail", "skb_change_tail", (_SIZE, _FLAGS)),
        PacketCall("adjust_room", "skb_adjust_room", (Argument("difference"), Argument("mode"), _FLAGS)),
        PacketCall("change_proto", "skb_change_proto", (Argument("type", swapped=16), _FLAGS)),
        PacketCall("vlan_push", "skb_vlan_push", (Argument("type", swapped=16), Argument("tci"))),
        PacketCall("vlan_pop", "skb_vlan_pop"),
        PacketCall("l3_csum_replace", "l3_csum_replace", (
            Argument("offset"), Argument("old", sized=True), Argument("new", sized=True), Argument("size"),
        )),
        PacketCall("l4_csum_replace", "l4_csum_replace", (
            Argument("offset"), Argument("old", sized=True), Argument("new", sized=True), Argument("flags"),
        )),
    )
}  # fmt: skip


def result(word: int) -> int:
    """r0 as a number."""
    return signed(word, 64)
