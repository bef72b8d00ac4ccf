/* How long block devices take for a request, microseconds by powers of two. */
#include "kernel.h"

MAP(start, HASH, u64, u64, 10240);
MAP(dist, ARRAY, u32, u64, 64);

SEC("tp_btf/block_rq_issue")
int issue(u64 *ctx)
{
	u64 request = ctx[0], now = ktime_get_ns();

	map_update(&start, &request, &now, ANY);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int complete(u64 *ctx)
{
	u64 request = ctx[0], *since, spent;

	since = map_lookup(&start, &request);
	if (!since)
		return 0;
	spent = ktime_get_ns() - *since;
	map_delete(&start, &request);
	add(&dist, log2(spent / 1000), 1);
	return 0;
}

LICENSE;
