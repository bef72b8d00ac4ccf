/* Two tables in an array of maps: one decides, the other learns, and every 64 packets they change places. */
#include "headers.h"

struct table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} even SEC(".maps"), odd SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct table);
} tables SEC(".maps") = {.values = {&even, &odd}};

static __u32 packets;

SEC("xdp")
int generations(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *table;
	struct eth *eth = HEADER(eth, data, end);
	__u32 active, slot, *value, before = 0;

	if (!eth)
		return XDP_PASS;
	slot = eth->from[5];
	active = packets++ >> 6 & 1;
	table = bpf_map_lookup_elem(&tables, &active);
	if (!table)
		return XDP_ABORTED;
	value = bpf_map_lookup_elem(table, &slot);
	if (value) {
		before = *value;
		*value = before / 2;
	}
	active ^= 1;
	table = bpf_map_lookup_elem(&tables, &active);
	if (!table)
		return XDP_ABORTED;
	value = bpf_map_lookup_elem(table, &slot);
	if (value)
		++*value;
	return before > 4 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
