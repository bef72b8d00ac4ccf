// One half of linked.o: a static function and a static variable that the other half has too, and what it gives to it.
#include "shared.h"

static u64 count = 5;
u64 shared = 1;
extern int give(u32 number);

struct {
	NUMBER(type, ARRAY);
	NUMBER(max_entries, 3);
	OF(key, u32);
	OF(value, u64);
} totals IN(".maps");

static APART u64 helper(u64 number)
{
	count += number;
	return doubled(count) * 3;
}

IN("xdp") int first(struct xdp_md *ctx)
{
	u32 key = helper(ctx->rx_queue_index);
	u64 *total = lookup(&totals, &key);

	if (total)
		*total += shared;
	return give(key) & 3;
}

char _license[] IN("license") = "GPL";
