"""Context structures as programs see them (include/uapi/linux/bpf.h): fields, offsets, access."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CtxField:
    """One field. offset, size: bytes. default: what BPF_PROG_TEST_RUN shows when the caller gives nothing.

    pointer: the field holds an address ("packet" start, "packet_end", "packet_meta"), not a number of the caller's.
    """

    name: str
    offset: int
    size: int
    writable: bool = False
    default: int = 0
    pointer: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One context structure; size in bytes. Facts measured on 6.18 with BPF_PROG_TEST_RUN."""

    name: str
    size: int
    fields: tuple[CtxField, ...]

    def field(self, name: str) -> CtxField | None:
        """The field called `name`, or None."""
        return next((one for one in self.fields if one.name == name), None)


CONTEXTS: Mapping[str, Context] = {
    "xdp_md": Context("xdp_md", 24, (
        CtxField("data", 0, 4, pointer="packet"),
        CtxField("data_end", 4, 4, pointer="packet_end"),
        CtxField("data_meta", 8, 4, pointer="packet_meta"),
        CtxField("ingress_ifindex", 12, 4, default=1),
        CtxField("rx_queue_index", 16, 4),
        CtxField("egress_ifindex", 20, 4),
    )),
}  # fmt: skip
