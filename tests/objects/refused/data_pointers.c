// Pointers in data: .data holds the addresses of a variable and of a function, which no loader fills in.
#include "../bpf.h"

u32 target = 7;
u32 *pointer = &target;
const char *volatile names[2] = { "one", "two" };

IN("xdp") int pointers(struct xdp_md *ctx)
{
	return *pointer + names[ctx->rx_queue_index & 1][0];
}

char _license[] IN("license") = "GPL";
