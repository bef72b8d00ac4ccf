// All data sections in one object, read and written by two programs and by a function that both call.
#include "bpf.h"

const volatile u64 step = 3;
u64 sum = 40;
u64 runs;
static const char names[2][8] = { "ingress", "egress" };

static APART u64 note(u64 amount)
{
	sum += amount * step;
	return ++runs;
}

IN("xdp") int ingress(struct xdp_md *ctx)
{
	return note(ctx->data_end - ctx->data) + names[0][ctx->rx_queue_index & 7];
}

IN("xdp/other") int egress(struct xdp_md *ctx)
{
	return note(1) + names[1][ctx->rx_queue_index & 7];
}

char _license[] IN("license") = "GPL";
