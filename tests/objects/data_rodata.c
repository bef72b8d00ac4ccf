// .rodata: constants that a loader may change before the load, global and static ones, and tables read at an index.
#include "bpf.h"

const volatile u32 limit = 64;
const volatile u16 ports[4] = { 53, 80, 443, 8080 };
static const volatile u8 verbose = 1;
static const u32 weights[8] = { 3, 1, 4, 1, 5, 9, 2, 6 };
const volatile struct { s16 low; s64 high; } range = { -5, 1ll << 40 };

IN("xdp") int constants(struct xdp_md *ctx)
{
	u32 size = ctx->data_end - ctx->data;

	if (size > limit || (verbose && size < (u32)range.low))
		return XDP_DROP;
	if (ports[2] == size || range.high == size)
		return XDP_TX;
	return weights[ctx->rx_queue_index & 7] > 4 ? XDP_PASS : XDP_ABORTED;
}

char _license[] IN("license") = "Dual MIT/GPL";
