// Functions whose address is taken and given to helpers: static ones called by bpf_loop and for each element of a map.
#include "bpf.h"

struct {
	NUMBER(type, ARRAY);
	NUMBER(max_entries, 8);
	OF(key, u32);
	OF(value, u64);
} totals IN(".maps");

struct context { u64 sum; u32 limit; };

static APART u64 weight(u64 number)
{
	return number * 3 + 1;
}

static long step(u32 index, struct context *context)
{
	context->sum += weight(index);
	return index >= context->limit;
}

static long visit(void *map, u32 *key, u64 *value, struct context *context)
{
	context->sum += *value + weight(*key);
	return 0;
}

IN("xdp") int callbacks(struct xdp_md *ctx)
{
	struct context context = { 0, 5 };

	loop(10, step, &context, 0);
	for_each(&totals, visit, &context, 0);
	return context.sum & 1 ? XDP_PASS : XDP_DROP;
}

IN("xdp") int callback_again(struct xdp_md *ctx)
{
	struct context context = { weight(ctx->rx_queue_index), 2 };

	loop(3, step, &context, 0);
	return context.sum & 1 ? XDP_PASS : XDP_DROP;
}

char _license[] IN("license") = "GPL";
