// .rodata.str1.1, where clang puts text, and .rodata.cst32, where it puts the bytes that a local array starts with.
#include "bpf.h"

IN("xdp") int strings(struct xdp_md *ctx)
{
	const char *greeting = ctx->rx_queue_index ? "queue %d" : "first queue";
	volatile u64 words[4] = { 0x1111111111111111, 2, 0x3333333333333333, 4 };

	trace(greeting, 9, ctx->rx_queue_index);
	trace("size %d of %d", 14, ctx->data_end - ctx->data, (u32)words[ctx->rx_queue_index & 3]);
	return XDP_PASS;
}

char _license[] IN("license") = "GPL";
