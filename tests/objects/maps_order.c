// .maps: maps that are used in another order than they are declared in, one of them used by no program.
#include "bpf.h"

struct { NUMBER(type, ARRAY); OF(key, u32); OF(value, u8); NUMBER(max_entries, 1); } zebra IN(".maps");
struct { NUMBER(type, ARRAY); OF(key, u32); OF(value, u16); NUMBER(max_entries, 2); } apple IN(".maps");
struct { NUMBER(type, HASH); OF(key, u32[2]); OF(value, s64 *); NUMBER(max_entries, 3); } unused IN(".maps");
struct { NUMBER(type, HASH); OF(key, char[16]); OF(value, _Bool); NUMBER(max_entries, 4); } mango IN(".maps");

IN("xdp") int order(struct xdp_md *ctx)
{
	char name[16] = "mango";
	u32 first = 0;

	if (!lookup(&mango, name))
		return XDP_PASS;
	return lookup(&apple, &first) && lookup(&zebra, &first) ? XDP_TX : XDP_DROP;
}

char _license[] IN("license") = "GPL";
