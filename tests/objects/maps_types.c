// .maps: a map of each type that a plain declaration can make, with the sizes that the type asks for.
#include "bpf.h"

#define PLAIN(name, kind, keys, values, count) \
	struct { \
		NUMBER(type, kind); \
		NUMBER(key_size, keys); \
		NUMBER(value_size, values); \
		NUMBER(max_entries, count); \
	} name IN(".maps")

PLAIN(array, ARRAY, 4, 8, 4);
PLAIN(hash, HASH, 6, 8, 4);
PLAIN(lru_hash, LRU_HASH, 6, 8, 4);
PLAIN(percpu_array, PERCPU_ARRAY, 4, 8, 4);
PLAIN(percpu_hash, PERCPU_HASH, 6, 8, 4);
PLAIN(lru_percpu_hash, LRU_PERCPU_HASH, 6, 8, 4);
PLAIN(stack_trace, STACK_TRACE, 4, 64, 4);
PLAIN(cgroup_array, CGROUP_ARRAY, 4, 4, 4);
PLAIN(devmap, DEVMAP, 4, 8, 4);
PLAIN(devmap_hash, DEVMAP_HASH, 4, 4, 4);
PLAIN(cpumap, CPUMAP, 4, 8, 4);
PLAIN(xskmap, XSKMAP, 4, 4, 4);
PLAIN(sockmap, SOCKMAP, 4, 8, 4);
PLAIN(sockhash, SOCKHASH, 6, 8, 4);
PLAIN(queue, QUEUE, 0, 8, 4);
PLAIN(stack, STACK, 0, 8, 4);
PLAIN(ringbuf, RINGBUF, 0, 0, 4096);
PLAIN(events, PERF_EVENTS, 4, 4, 0);

IN("xdp") int types(struct xdp_md *ctx)
{
	u64 size = ctx->data_end - ctx->data;
	u64 key = 0;

	output(ctx, &events, 0xffffffff, &size, sizeof(size));
	if (lookup(&array, &key) && lookup(&percpu_array, &key) && lookup(&hash, &key) && lookup(&lru_hash, &key))
		return XDP_DROP;
	return lookup(&percpu_hash, &key) ? XDP_TX : XDP_PASS;
}

char _license[] IN("license") = "GPL";
