/* Events of connections by a ring buffer: opened ones reserved and submitted, boring ones discarded, resets copied. */
#include "headers.h"

struct event {
	__be32 from, to;
	__be16 source, target;
	__u32 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} outcomes SEC(".maps");

SEC("xdp")
int ring_events(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct event *event, reset = {};
	struct tcp *tcp;
	__u32 kept = 0;
	__u64 *count;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp)
		return XDP_DROP;
	if (tcp->flags & 4) {
		reset.from = ip->from;
		reset.flags = tcp->flags;
		return bpf_ringbuf_output(&events, &reset, sizeof(reset), BPF_RB_NO_WAKEUP) ? XDP_ABORTED : XDP_DROP;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return XDP_ABORTED;
	event->from = ip->from;
	event->to = ip->to;
	event->source = tcp->from;
	event->target = tcp->to;
	event->flags = tcp->flags;
	if (tcp->flags & 2) {
		kept = 1;
		bpf_ringbuf_submit(event, 0);
	} else {
		bpf_ringbuf_discard(event, 0);
	}
	count = bpf_map_lookup_elem(&outcomes, &kept);
	if (count)
		++*count;
	return kept ? XDP_TX : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
