// .bss: variables that start as zeros take no room in the file.
#include "bpf.h"

u64 packets;
u32 by_queue[16];
static u64 total;
static volatile char label[5];
struct { u16 port; u64 seen; } __attribute__((aligned(32))) wide;

IN("xdp") int zeros(struct xdp_md *ctx)
{
	packets++;
	by_queue[ctx->rx_queue_index & 15]++;
	total += ctx->data_end - ctx->data;
	label[1] = 'x';
	wide.seen += total;
	return label[0] ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
