/* Ages a table by for_each_map_elem: every 32 packets, senders that were silent since the last time are deleted. */
#include "headers.h"

struct state {
	__u32 packets, last;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct state);
} senders SEC(".maps");

static __u32 now;
__u64 deleted, visited;

struct limit {
	__u32 oldest, deleted;
};

static long age(void *map, __u64 *key, struct state *state, struct limit *limit)
{
	if (state->last < limit->oldest) {
		bpf_map_delete_elem(map, key);
		limit->deleted++;
	}
	return 0;
}

SEC("xdp")
int aging(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct state *state, fresh = {1};
	struct limit limit = {};
	__u64 key = 0;

	if (!eth)
		return XDP_PASS;
	now++;
	__builtin_memcpy(&key, eth->from, 6);
	state = bpf_map_lookup_elem(&senders, &key);
	if (state) {
		state->packets++;
		state->last = now;
	} else {
		fresh.last = now;
		bpf_map_update_elem(&senders, &key, &fresh, BPF_ANY);
	}
	if (now % 32)
		return state ? XDP_PASS : XDP_DROP;
	limit.oldest = now - 32;
	visited += bpf_for_each_map_elem(&senders, age, &limit, 0);
	deleted += limit.deleted;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
