// Prog arrays: one empty, one with programs in it from the start; tail calls through both.
#include "bpf.h"

int leaf(struct xdp_md *ctx);
int other_leaf(struct xdp_md *ctx);

struct {
	NUMBER(type, PROG_ARRAY);
	NUMBER(max_entries, 4);
	NUMBER(key_size, 4);
	STARTS_WITH(values, int(void *));
} started IN(".maps") = { .values = { [1] = (void *)&leaf, [3] = (void *)&other_leaf } };

struct {
	NUMBER(type, PROG_ARRAY);
	NUMBER(max_entries, 2);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
} empty IN(".maps");

IN("xdp") int leaf(struct xdp_md *ctx)
{
	return XDP_TX;
}

IN("xdp") int other_leaf(struct xdp_md *ctx)
{
	tail_call(ctx, &empty, 1);
	return XDP_DROP;
}

IN("xdp") int dispatch(struct xdp_md *ctx)
{
	tail_call(ctx, &started, ctx->rx_queue_index);
	return XDP_PASS;
}

char _license[] IN("license") = "GPL";
