/* A token bucket for each sender, by the clock: one packet an hour is earned, four may be saved.

When a bucket was last filled stands in a map of its own, because no two machines' clocks show the same.
*/
#include "headers.h"

#define HOUR 3600000000000ull
#define MOST 4

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, __be32);
	__type(value, __u64);
} tokens SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, __be32);
	__type(value, __u64);
} filled SEC(".maps");

SEC("xdp")
int rate_limit(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u64 *left, *since, now, most = MOST - 1, earned;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	now = bpf_ktime_get_ns();
	left = bpf_map_lookup_elem(&tokens, &ip->from);
	since = bpf_map_lookup_elem(&filled, &ip->from);
	if (!left || !since) {
		bpf_map_update_elem(&tokens, &ip->from, &most, BPF_ANY);
		bpf_map_update_elem(&filled, &ip->from, &now, BPF_ANY);
		return XDP_PASS;
	}
	earned = (now - *since) / HOUR;
	if (earned) {
		*left = *left + earned > MOST ? MOST : *left + earned;
		*since += earned * HOUR;
	}
	if (!*left)
		return XDP_DROP;
	--*left;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
