/* TCP sessions by IPv4, when they end: examples/tcplife.py in C. */
#include "tracer.h"
#include <bpf/bpf_endian.h>

#define IPPROTO_TCP 6
enum { SYN_SENT = 2, FIN_WAIT1 = 4, CLOSE = 7, LAST_ACK = 9 }; /* of include/net/tcp_states.h */

struct sock_common {
	__be16 skc_dport;
	__be32 skc_daddr, skc_rcv_saddr;
} kernels;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} kernels;

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
} kernels;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} kernels;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received, bytes_acked;
} kernels;

struct session {
	__u64 born;
	__u32 pid;
	char comm[16];
};

struct event {
	__u64 took, tx, rx;
	__u32 pid, saddr, daddr;
	__u16 lport, dport;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct session);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

struct event *unused __attribute__((unused));

static inline void ended(struct sock *sk, const struct session *one)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return;
	e->took = bpf_ktime_get_ns() - one->born;
	e->tx = BPF_CORE_READ(tp, bytes_acked);
	e->rx = BPF_CORE_READ(tp, bytes_received);
	e->pid = one->pid;
	e->saddr = bpf_ntohl(sk->__sk_common.skc_rcv_saddr);
	e->daddr = bpf_ntohl(sk->__sk_common.skc_daddr);
	e->lport = bpf_ntohs(BPF_CORE_READ(tp, inet_conn.icsk_inet.inet_sport));
	e->dport = bpf_ntohs(sk->__sk_common.skc_dport);
	__builtin_memcpy(e->comm, one->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(changed, struct sock *sk, int old, int state)
{
	__u64 key = (__u64)sk;
	struct session fresh = {}, *one;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	one = bpf_map_lookup_elem(&sessions, &key);
	if (!one && state < FIN_WAIT1) {
		bpf_map_update_elem(&sessions, &key, &fresh, BPF_ANY);
		one = bpf_map_lookup_elem(&sessions, &key);
	}
	if (!one)
		return 0;
	if (state < FIN_WAIT1)
		one->born = bpf_ktime_get_ns();
	if (state == SYN_SENT || state == LAST_ACK) {
		one->pid = process();
		bpf_get_current_comm(one->comm, sizeof(one->comm));
	}
	if (state != CLOSE)
		return 0;
	if (!target || one->pid == target)
		ended(sk, one);
	bpf_map_delete_elem(&sessions, &key);
	return 0;
}
