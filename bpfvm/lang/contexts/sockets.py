"""What the socket pointers of contexts point to: struct bpf_sock of include/uapi/linux/bpf.h, as far as it is numbers.

Of a socket of any kind (`skb.sk`) the kernel shows less than of a full one.
Ports and addresses stand there as in the kernel: `dst_port` and addresses in the order of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfvm.lang.types.scalars import u16, u32
from bpfvm.lang.types.structs import struct


@struct
class bpf_sock:
    """A full socket."""

    bound_dev_if: u32
    family: u32
    type: u32
    protocol: u32
    mark: u32
    priority: u32
    src_ip4: u32
    _src_ip6: u32[4]  # type: ignore[type-arg, valid-type]
    src_port: u32
    dst_port: u16
    dst_ip4: u32
    _dst_ip6: u32[4]  # type: ignore[type-arg, valid-type]
    state: u32
    rx_queue_mapping: u32


@struct
class sock_common:
    """A socket of any kind: the same places, and fewer of them to be read."""

    bound_dev_if: u32
    family: u32
    _hidden: u32[4]  # type: ignore[type-arg, valid-type]
    src_ip4: u32
    _src_ip6: u32[4]  # type: ignore[type-arg, valid-type]
    src_port: u32
    dst_port: u16
    dst_ip4: u32
    _dst_ip6: u32[4]  # type: ignore[type-arg, valid-type]
    state: u32
    rx_queue_mapping: u32


WHOLE: Any = bpf_sock  # as a Layout
# By the kind of pointer in tables.ctx: what it points to, and whether it may be null.
POINTERS: Mapping[str, tuple[Any, bool]] = {
    "sock": (WHOLE, False),
    "sock_or_null": (WHOLE, True),
    "sock_common_or_null": (sock_common, True),
}
