/* Orders from user space by a user ring buffer: each is an address and what becomes of its packets from now on. */
#include "headers.h"

struct order {
	__be32 address;
	__u32 verdict;
};

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} mail SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, __u32);
} verdicts SEC(".maps");

__u64 drained, broken;

static long obey(struct bpf_dynptr *message, void *passed)
{
	struct order order;

	if (bpf_dynptr_read(&order, sizeof(order), message, 0, 0)) {
		broken++;
		return 0;
	}
	bpf_map_update_elem(&verdicts, &order.address, &order.verdict, BPF_ANY);
	return order.verdict == XDP_ABORTED;
}

SEC("xdp")
int orders(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 *verdict;
	long count;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	count = bpf_user_ringbuf_drain(&mail, obey, 0, 0);
	if (count > 0)
		drained += count;
	verdict = bpf_map_lookup_elem(&verdicts, &ip->from);
	return verdict ? *verdict : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
