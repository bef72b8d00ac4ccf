"""Contexts of programs that see packets: xdp_md, __sk_buff, and what the flow dissector fills."""

from __future__ import annotations

from bpfvm.tables.ctx.field import Context, CtxField

# Measured on 6.18 with 4 KiB pages: bytes of an XDP frame that lie between data and data_end, the rest being in frags
# of a page each; the most metadata, and headroom that programs may have: of 256 bytes the kernel keeps 40.
FIRST_PAGE = 3520
FRAG = 4096
XDP_META = 216

XDP_MD = Context("xdp_md", 24, (
    CtxField("data", 0, 4, pointer="packet"),
    CtxField("data_end", 4, 4, pointer="packet_end"),
    CtxField("data_meta", 8, 4, pointer="packet_meta"),
    CtxField("ingress_ifindex", 12, 4, default=1, narrow="", given=True),
    CtxField("rx_queue_index", 16, 4, narrow="", given=True),
    CtxField("egress_ifindex", 20, 4, readers="xdp:xdp_devmap", narrow=""),
), "xdp")  # fmt: skip

_SKB_PROGRAMS = (
    "socket_filter sched_cls sched_act cgroup_skb lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb flow_dissector"
)
_SKB = "-flow_dissector"
_ADDRESSES = "cgroup_skb sk_skb"  # who sees the socket's addresses
_TIME = "tc cgroup_skb"
_MARK = "tc cgroup_skb lwt"

SK_BUFF = Context("__sk_buff", 192, (
    CtxField("len", 0, 4, readers=f"any {_SKB}"),
    CtxField("pkt_type", 4, 4, readers=f"any {_SKB}", held=1),
    CtxField("mark", 8, 4, readers=f"any {_SKB} -sk_skb", writers=_MARK, given=True),
    CtxField("queue_mapping", 12, 4, readers=f"any {_SKB}", writers="tc", held=2),
    CtxField("protocol", 16, 4, readers=f"any {_SKB}", held=2),
    CtxField("vlan_present", 20, 4, readers=f"any {_SKB}"),
    CtxField("vlan_tci", 24, 4, readers=f"any {_SKB}", held=2),
    CtxField("vlan_proto", 28, 4, readers=f"any {_SKB}", held=2),
    CtxField("priority", 32, 4, readers=f"any {_SKB}", writers=f"{_MARK} sk_skb", given=True),
    CtxField("ingress_ifindex", 36, 4, readers=f"any {_SKB}", given=True),
    CtxField("ifindex", 40, 4, default=1, readers=f"any {_SKB}", given=True),
    CtxField("tc_index", 44, 4, readers=f"any {_SKB}", writers="tc sk_skb", held=2),
    CtxField("cb", 48, 4, count=5, readers=f"any {_SKB}", writers=f"{_MARK} socket_filter", wide=True, bytewise=True,
             given=True),
    CtxField("hash", 68, 4, readers=f"any {_SKB}"),
    CtxField("tc_classid", 72, 4, readers="tc", writers="tc", held=2),
    CtxField("data", 76, 4, pointer="packet", readers="any -socket_filter"),
    CtxField("data_end", 80, 4, pointer="packet_end", readers="any -socket_filter"),
    CtxField("napi_id", 84, 4, readers=f"any {_SKB}"),
    CtxField("family", 88, 4, readers=_ADDRESSES, held=2),
    CtxField("remote_ip4", 92, 4, readers=_ADDRESSES, narrow=""),
    CtxField("local_ip4", 96, 4, readers=_ADDRESSES, narrow=""),
    CtxField("remote_ip6", 100, 4, count=4, readers=_ADDRESSES, narrow=""),
    CtxField("local_ip6", 116, 4, count=4, readers=_ADDRESSES, narrow=""),
    CtxField("remote_port", 132, 4, readers=_ADDRESSES, held=2),
    CtxField("local_port", 136, 4, readers=_ADDRESSES, held=2),
    CtxField("data_meta", 140, 4, pointer="packet_meta", readers="tc"),
    CtxField("flow_keys", 144, 8, pointer="flow_keys", readers="flow_dissector"),
    CtxField("tstamp", 152, 8, readers=_TIME, writers=_TIME, narrow="", given=True),
    CtxField("wire_len", 160, 4, readers="tc", given=True),
    CtxField("gso_segs", 164, 4, readers=f"any {_SKB}", given=True, held=2),
    CtxField("sk", 168, 8, pointer="sock_common_or_null", readers=f"any {_SKB}"),
    CtxField("gso_size", 176, 4, readers=f"any {_SKB}", given=True, held=2),
    CtxField("tstamp_type", 180, 1, readers="tc"),
    CtxField("hwtstamp", 184, 8, readers=_TIME, narrow="", given=True),
), _SKB_PROGRAMS)  # fmt: skip

FLOW_KEYS = Context("bpf_flow_keys", 56, (
    CtxField("nhoff", 0, 2),
    CtxField("thoff", 2, 2),
    CtxField("addr_proto", 4, 2),
    CtxField("is_frag", 6, 1),
    CtxField("is_first_frag", 7, 1),
    CtxField("is_encap", 8, 1),
    CtxField("ip_proto", 9, 1),
    CtxField("n_proto", 10, 2),
    CtxField("sport", 12, 2),
    CtxField("dport", 14, 2),
    CtxField("ipv4_src", 16, 4),
    CtxField("ipv4_dst", 20, 4),
    CtxField("ipv6_src", 16, 4, count=4),
    CtxField("ipv6_dst", 32, 4, count=4),
    CtxField("flags", 48, 4),
    CtxField("flow_label", 52, 4),
))  # fmt: skip
