// Global functions, which the kernel checks alone: with pointers that may be null, a weak one, one that a program calls
// and another program's static function calls too, and one that nothing calls.
#include "bpf.h"

struct totals { u64 sum, count; };

__attribute__((noinline)) int add(struct totals *totals, u32 amount)
{
	if (!totals)
		return -1;
	totals->sum += amount;
	return totals->count++;
}

WEAK APART int choose(u32 number)
{
	return number & 1 ? XDP_TX : XDP_PASS;
}

static APART int both(u32 number)
{
	struct totals totals = { number, 1 };

	return add(&totals, 2) + choose(number);
}

IN("xdp") int globals(struct xdp_md *ctx)
{
	struct totals totals = {};

	if (add(&totals, ctx->data_end - ctx->data) < 0)
		return XDP_ABORTED;
	return choose(totals.sum);
}

IN("xdp/two") int others(struct xdp_md *ctx)
{
	return both(ctx->rx_queue_index);
}

char _license[] IN("license") = "GPL";
