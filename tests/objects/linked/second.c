// The other half of linked.o, with a static function and a static variable of the same names.
#include "shared.h"

static u32 count = 9;
extern u64 shared;

static APART u32 helper(u32 number)
{
	count ^= number;
	return doubled(count) + 1;
}

APART int give(u32 number)
{
	shared += number;
	return helper(number);
}

IN("xdp") int second(struct xdp_md *ctx)
{
	return give(ctx->ingress_ifindex) + helper(2) & 3;
}
