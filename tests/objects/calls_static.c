// Static functions that call one another, each once and twice, up to five arguments; programs of two sections share them.
#include "bpf.h"

static APART u64 five(u64 a, u64 b, u64 c, u64 d, u64 e)
{
	return a ^ b * 3 ^ c * 5 ^ d * 7 ^ e * 11;
}

static APART u64 twice(u64 a)
{
	return five(a, 1, 2, 3, 4) + five(4, 3, 2, 1, a);
}

static APART void store(u64 *where, u64 what)
{
	*where = twice(what);
}

IN("xdp") int direct(struct xdp_md *ctx)
{
	return twice(ctx->data_end - ctx->data) & 3;
}

IN("syscall") int through_a_pointer(u64 *ctx)
{
	u64 result;

	store(&result, 7);
	return result + five(1, 2, 3, 4, 5);
}

char _license[] IN("license") = "GPL";
