// Variables and functions that do not stand first in their sections, named by symbols and by sections.
#include "bpf.h"

u64 first = 1, second = 2, third[4] = { 3, 4, 5, 6 };
static u32 own = 7, other = 8;
const volatile u32 low = 9, high = 10;

static APART u32 twice(u32 number)
{
	return number * 2 + *(volatile u32 *)&own;
}

APART u32 thrice(u32 number)
{
	return number * 3 + *(volatile u32 *)&other;
}

APART u32 fourfold(u32 number)
{
	return twice(number) + thrice(number);
}

IN("xdp") int places(struct xdp_md *ctx)
{
	u64 *last = &third[3];

	second += low;
	third[2] += high;
	first += fourfold(ctx->rx_queue_index);
	return twice(*(volatile u64 *)last) + thrice(second);
}

IN("xdp") int places_again(struct xdp_md *ctx)
{
	return thrice(fourfold(ctx->rx_queue_index));
}

char _license[] IN("license") = "GPL";
