// One function under two names: a program, and a global function that the program calls by its second name.
#include "bpf.h"

#define SECOND_NAME(second, first) \
	__asm__(".globl " #second "\n.type " #second ",@function\n.set " #second ", " #first)

APART int pick(u32 number)
{
	return number & 1 ? XDP_DROP : XDP_PASS;
}

int picked(u32 number);
SECOND_NAME(picked, pick);

IN("xdp") int original(struct xdp_md *ctx)
{
	return picked(ctx->rx_queue_index);
}

SECOND_NAME(second, original);

char _license[] IN("license") = "GPL";
