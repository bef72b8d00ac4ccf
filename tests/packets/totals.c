/* Totals that belong together under a spin lock: packets, bytes and the longest packet of each protocol. */
#include "headers.h"

struct total {
	struct bpf_spin_lock lock;
	__u32 longest;
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

SEC("xdp")
int total(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	__u32 key, size = end - data, much;
	struct total *one, fresh = {};

	if (!eth)
		return XDP_DROP;
	key = bpf_ntohs(eth->type);
	one = bpf_map_lookup_elem(&totals, &key);
	if (!one) {
		if (bpf_map_update_elem(&totals, &key, &fresh, BPF_NOEXIST))
			return XDP_ABORTED;
		one = bpf_map_lookup_elem(&totals, &key);
		if (!one)
			return XDP_ABORTED;
	}
	bpf_spin_lock(&one->lock);
	one->packets++;
	one->bytes += size;
	if (one->longest < size)
		one->longest = size;
	much = one->bytes > 4000;
	bpf_spin_unlock(&one->lock);
	return much ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
