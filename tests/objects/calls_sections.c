// Calls between sections: a program calls a global function of another section, a static one of its own section, and
// static functions that stand in sections of their own beside .text.
#include "bpf.h"

static APART __attribute__((section("xdp"))) int beside(u32 number)
{
	return number * 7 & 3;
}

static APART int in_text(u32 number)
{
	return number ^ 5;
}

APART IN("xdp/first") int first(struct xdp_md *ctx)
{
	return in_text(ctx->rx_queue_index) & 3;
}

IN("xdp") int caller(struct xdp_md *ctx)
{
	return first(ctx) + beside(ctx->ingress_ifindex) + in_text(3);
}

char _license[] IN("license") = "GPL";
