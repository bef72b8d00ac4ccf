"""Contexts of programs on sockets and their messages, and of the socket structures that contexts point to."""

from __future__ import annotations

from bpfvm.tables.ctx.field import Context, CtxField

_MADE = "cgroup_sock:cgroup_inet_sock_create cgroup_sock:cgroup_inet_sock_release"
_BOUND4, _BOUND6 = "cgroup_sock:cgroup_inet4_post_bind", "cgroup_sock:cgroup_inet6_post_bind"

SOCK = Context("bpf_sock", 80, (
    CtxField("bound_dev_if", 0, 4, readers=_MADE, writers=_MADE, narrow=""),
    CtxField("family", 4, 4, narrow="start"),
    CtxField("type", 8, 4, narrow="start"),
    CtxField("protocol", 12, 4, narrow="start"),
    CtxField("mark", 16, 4, readers=_MADE, writers=_MADE, narrow=""),
    CtxField("priority", 20, 4, readers=_MADE, writers=_MADE, narrow=""),
    CtxField("src_ip4", 24, 4, readers=_BOUND4),
    CtxField("src_ip6", 28, 4, count=4, readers=_BOUND6),
    CtxField("src_port", 44, 4, readers=f"{_BOUND4} {_BOUND6}", narrow="start"),
    CtxField("dst_port", 48, 2),
    CtxField("dst_port", 48, 4, narrow=""),  # as it was until 5.18, with the padding behind it
    CtxField("dst_ip4", 52, 4),
    CtxField("dst_ip6", 56, 4, count=4),
    CtxField("state", 72, 4, narrow="start"),
    CtxField("rx_queue_mapping", 76, 4, narrow="start"),
), "cgroup_sock")  # fmt: skip


def _addr(*places: str) -> str:
    return " ".join(f"cgroup_sock_addr:cgroup_{place}" for place in places)


_IP4 = _addr("inet4_bind", "inet4_connect", "inet4_getpeername", "inet4_getsockname", "udp4_sendmsg", "udp4_recvmsg")
_IP6 = _addr("inet6_bind", "inet6_connect", "inet6_getpeername", "inet6_getsockname", "udp6_sendmsg", "udp6_recvmsg")
_SENT4, _SENT6 = _addr("udp4_sendmsg"), _addr("udp6_sendmsg")

SOCK_ADDR = Context("bpf_sock_addr", 72, (
    CtxField("user_family", 0, 4, narrow=""),
    CtxField("user_ip4", 4, 4, readers=_IP4, writers=_IP4),
    CtxField("user_ip6", 8, 4, count=4, readers=_IP6, writers=_IP6, wide=True),
    CtxField("user_port", 24, 4, writers="any"),
    CtxField("family", 28, 4, narrow=""),
    CtxField("type", 32, 4, narrow=""),
    CtxField("protocol", 36, 4, narrow=""),
    CtxField("msg_src_ip4", 40, 4, readers=_SENT4, writers=_SENT4),
    CtxField("msg_src_ip6", 44, 4, count=4, readers=_SENT6, writers=_SENT6, wide=True),
    CtxField("sk", 64, 8, pointer="sock"),
), "cgroup_sock_addr")  # fmt: skip

_SOCK_OPS_WORDS = (
    "family remote_ip4 local_ip4 remote_ip6:4 local_ip6:4 remote_port local_port is_fullsock snd_cwnd srtt_us "
    "bpf_sock_ops_cb_flags state rtt_min snd_ssthresh rcv_nxt snd_nxt snd_una mss_cache ecn_flags rate_delivered "
    "rate_interval_us packets_out retrans_out total_retrans segs_in data_segs_in segs_out data_segs_out lost_out "
    "sacked_out"
)


def _words(names: str, offset: int) -> tuple[CtxField, ...]:
    """Fields of 4 bytes one behind the other, "name:count" for an array, from `offset`; read whole only."""
    fields = []
    for word in names.split():
        name, _, count = word.partition(":")
        fields.append(CtxField(name, offset, 4, count=int(count or 1), narrow=""))
        offset = fields[-1].end
    return tuple(fields)


SOCK_OPS = Context("bpf_sock_ops", 224, (
    *_words("op", 0),
    CtxField("reply", 4, 4, writers="any", narrow=""),
    *_words("args:4", 4),
    *_words("replylong:4", 4),
    *_words(_SOCK_OPS_WORDS, 20),
    CtxField("sk_txhash", 164, 4, writers="any", narrow=""),
    CtxField("bytes_received", 168, 8, narrow=""),
    CtxField("bytes_acked", 176, 8, narrow=""),
    CtxField("sk", 184, 8, pointer="sock_or_null"),
    CtxField("skb_data", 192, 8, pointer="packet"),
    CtxField("skb_data_end", 200, 8, pointer="packet_end"),
    CtxField("skb_len", 208, 4, narrow=""),
    CtxField("skb_tcp_flags", 212, 4, narrow="start"),
    CtxField("skb_hwtstamp", 216, 8, narrow=""),
), "sock_ops")  # fmt: skip

SK_MSG = Context("sk_msg_md", 80, (
    CtxField("data", 0, 8, pointer="packet"),
    CtxField("data_end", 8, 8, pointer="packet_end"),
    *_words("family remote_ip4 local_ip4 remote_ip6:4 local_ip6:4 remote_port local_port size", 16),
    CtxField("sk", 72, 8, pointer="sock"),
), "sk_msg")  # fmt: skip

SK_REUSEPORT = Context("sk_reuseport_md", 56, (
    CtxField("data", 0, 8, pointer="packet"),
    CtxField("data_end", 8, 8, pointer="packet_end"),
    CtxField("len", 16, 4),
    CtxField("eth_protocol", 20, 4, narrow="halves"),
    CtxField("ip_protocol", 24, 4),
    CtxField("bind_inany", 28, 4),
    CtxField("hash", 32, 4, narrow=""),
    CtxField("sk", 40, 8, pointer="sock"),
    CtxField("migrating_sk", 48, 8, pointer="sock_common_or_null"),
), "sk_reuseport")  # fmt: skip

SK_LOOKUP = Context("bpf_sk_lookup", 72, (
    CtxField("sk", 0, 8, pointer="sock_or_null"),
    CtxField("family", 8, 4, given=True),
    CtxField("protocol", 12, 4, given=True),
    CtxField("remote_ip4", 16, 4, given=True),
    CtxField("remote_ip6", 20, 4, count=4, given=True),
    CtxField("remote_port", 36, 2, given=True),
    CtxField("remote_port", 36, 4),  # as it was until 5.18, with the padding behind it
    CtxField("local_ip4", 40, 4, given=True),
    CtxField("local_ip6", 44, 4, count=4, given=True),
    CtxField("local_port", 60, 4, given=True),
    CtxField("ingress_ifindex", 64, 4, given=True),
), "sk_lookup")  # fmt: skip

SOCKOPT = Context("bpf_sockopt", 40, (
    CtxField("sk", 0, 8, pointer="sock"),
    CtxField("optval", 8, 8, pointer="packet"),
    CtxField("optval_end", 16, 8, pointer="packet_end"),
    CtxField("level", 24, 4, writers="cgroup_sockopt:cgroup_setsockopt", narrow=""),
    CtxField("optname", 28, 4, writers="cgroup_sockopt:cgroup_setsockopt", narrow=""),
    CtxField("optlen", 32, 4, writers="any", narrow=""),
    CtxField("retval", 36, 4, readers="cgroup_sockopt:cgroup_getsockopt", writers="cgroup_sockopt:cgroup_getsockopt",
             narrow=""),
), "cgroup_sockopt")  # fmt: skip

SYSCTL = Context("bpf_sysctl", 8, (
    CtxField("write", 0, 4),
    CtxField("file_pos", 4, 4, writers="any"),
), "cgroup_sysctl")  # fmt: skip

DEVICE = Context("bpf_cgroup_dev_ctx", 12, (
    CtxField("access_type", 0, 4),
    CtxField("major", 4, 4, narrow=""),
    CtxField("minor", 8, 4, narrow=""),
), "cgroup_device")  # fmt: skip

NETFILTER = Context("bpf_nf_ctx", 16, (
    CtxField("state", 0, 8, pointer="nf_hook_state"),
    CtxField("skb", 8, 8, pointer="sk_buff"),
), "netfilter")  # fmt: skip
