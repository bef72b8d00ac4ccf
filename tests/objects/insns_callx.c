// A call of what a register holds, which no kernel takes.
#include "bpf.h"

int (*volatile chosen)(u32 number);

IN("xdp") int indirect(struct xdp_md *ctx)
{
	return chosen(ctx->rx_queue_index);
}

char _license[] IN("license") = "GPL";
