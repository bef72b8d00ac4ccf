/* How long connections of TCP take to be there, with both ends. */
#include "kernel.h"

enum { AF_INET = 2, SYN_SENT = 2 };

struct info {
	u64 ts;
	u32 pid;
	char task[16];
	u32 unused;
};

struct event {
	u64 delta_us;
	u32 pid;
	u16 family, dport;
	u8 saddr[16], daddr[16];
	char task[16];
};

MAP(start, HASH, u64, struct info, 4096);
struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

INLINE int connect(u64 sock)
{
	struct info info = {};

	info.ts = ktime_get_ns();
	info.pid = pid();
	get_current_comm(info.task, sizeof(info.task));
	map_update(&start, &sock, &info, ANY);
	return 0;
}

SEC("fentry/tcp_v4_connect")
int connect4(u64 *ctx)
{
	return connect(ctx[0]);
}

SEC("fentry/tcp_v6_connect")
int connect6(u64 *ctx)
{
	return connect(ctx[0]);
}

SEC("fentry/tcp_rcv_state_process")
int established(u64 *ctx)
{
	struct sock *sock = (void *)ctx[0];
	u64 key = ctx[0];
	struct event *event;
	struct info *info;

	if (sock->__sk_common.skc_state != SYN_SENT)
		return 0;
	info = map_lookup(&start, &key);
	if (!info)
		return 0;
	event = ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		__builtin_memset(event, 0, sizeof(*event));
		event->delta_us = (ktime_get_ns() - info->ts) / 1000;
		event->pid = info->pid;
		__builtin_memcpy(event->task, info->task, 16);
		event->family = sock->__sk_common.skc_family;
		event->dport = swap16(sock->__sk_common.skc_dport);
		if (event->family == AF_INET) {
			*(u32 *)event->saddr = sock->__sk_common.skc_rcv_saddr;
			*(u32 *)event->daddr = sock->__sk_common.skc_daddr;
		} else {
			__builtin_memcpy(event->saddr, &sock->__sk_common.skc_v6_rcv_saddr, 16);
			__builtin_memcpy(event->daddr, &sock->__sk_common.skc_v6_daddr, 16);
		}
		ringbuf_submit(event, 0);
	}
	map_delete(&start, &key);
	return 0;
}

LICENSE;
