// .maps: every attribute that a map can have, beside its key and value: flags, pinning, NUMA node, extra.
#include "bpf.h"

#define BY_NAME 1
#define F_NO_PREALLOC 1
#define F_NUMA_NODE 4

struct key { u32 prefix; u8 address[4]; };
typedef struct { u64 packets, bytes; } totals_t;

struct {
	NUMBER(type, HASH);
	NUMBER(max_entries, 1024);
	NUMBER(map_flags, F_NO_PREALLOC | F_NUMA_NODE);
	NUMBER(numa_node, 1);
	NUMBER(pinning, BY_NAME);
	OF(key, u32);
	OF(value, totals_t);
} shared IN(".maps");

struct {
	NUMBER(type, BLOOM_FILTER);
	NUMBER(max_entries, 1000);
	NUMBER(value_size, 8);
	NUMBER(map_extra, 3);
} seen IN(".maps");

struct {
	NUMBER(type, LPM_TRIE);
	NUMBER(map_flags, F_NO_PREALLOC);
	NUMBER(max_entries, 16);
	OF(key, struct key);
	OF(value, const volatile u32);
} routes IN(".maps");

struct {
	NUMBER(type, ARRAY);
	NUMBER(pinning, 0);
	NUMBER(key_size, sizeof(u32));
	OF(value, struct { u8 octets[6]; u16 port; });
	NUMBER(value_size, 8);
	NUMBER(max_entries, 3);
} anonymous IN(".maps");

IN("xdp") int attributes(struct xdp_md *ctx)
{
	u32 first = 0;
	struct key key = { 32, { 10, 0, 0, 1 } };
	totals_t *totals = lookup(&shared, &first);
	u32 *route = lookup(&routes, &key);
	u8 *octets = lookup(&anonymous, &first);

	if (totals)
		totals->packets++;
	if (octets)
		octets[5] = 1;
	update(&seen, 0, &key, 0);
	return route ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
