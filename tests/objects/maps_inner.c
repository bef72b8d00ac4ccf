// Maps of maps: an array and a hash whose entries are maps from the start; the inner map described in the outer one.
#include "bpf.h"

struct counter {
	NUMBER(type, ARRAY);
	NUMBER(max_entries, 2);
	OF(key, u32);
	OF(value, u64);
};
struct counter red IN(".maps"), green IN(".maps");

struct {
	NUMBER(type, ARRAY_OF_MAPS);
	NUMBER(max_entries, 5);
	NUMBER(key_size, 4);
	STARTS_WITH(values, struct counter);
} by_number IN(".maps") = { .values = { [0] = (void *)&red, [3] = (void *)&green } };

struct {
	NUMBER(type, HASH_OF_MAPS);
	NUMBER(max_entries, 8);
	OF(key, u32);
	STARTS_WITH(values, struct { NUMBER(type, ARRAY); NUMBER(max_entries, 2); OF(key, u32); OF(value, u64); });
} by_name IN(".maps") = { .values = { (void *)&green, (void *)&red } };

struct {
	NUMBER(type, ARRAY_OF_MAPS);
	NUMBER(max_entries, 2);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
	STARTS_WITH(values, struct { NUMBER(type, HASH); NUMBER(max_entries, 4); NUMBER(key_size, 8); NUMBER(value_size, 2); });
} empty IN(".maps");

IN("xdp") int count(struct xdp_md *ctx)
{
	u32 which = ctx->rx_queue_index, first = 0;
	void *inner = lookup(&by_number, &which);
	u64 *value = inner ? lookup(inner, &first) : 0;

	if (value)
		*value += 1;
	inner = lookup(&by_name, &which);
	value = inner ? lookup(inner, &first) : 0;
	if (value)
		*value += 2;
	return lookup(&empty, &which) ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
