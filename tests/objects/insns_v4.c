// What processor v4 brought: signed division, moves and loads with sign, byte swaps, long jumps; and atomics of v3.
// build: -mcpu=v4
#include "bpf.h"

struct work { s64 a, b; s32 c; s16 d; s8 e; u32 f; };

s64 cells[4];
u32 words[2];

IN("syscall") int arithmetic(struct work *ctx)
{
	ctx->a = ctx->b ? ctx->a / ctx->b : 0;
	ctx->c = ctx->b ? ctx->c % (s32)ctx->b : 0;
	ctx->a += ctx->d + ctx->e;
	ctx->f = __builtin_bswap32(ctx->f);
	ctx->b = __builtin_bswap64(ctx->a) + (s16)ctx->c;
	return ctx->a < 0;
}

IN("syscall") int atomics(struct work *ctx)
{
	u64 old = __sync_fetch_and_add(&cells[0], ctx->a);

	old |= __sync_fetch_and_or(&cells[1], 3) ^ __sync_fetch_and_and(&cells[2], 7);
	old += __sync_fetch_and_xor(&cells[3], ctx->b) + __sync_lock_test_and_set(&words[0], 9);
	return __sync_val_compare_and_swap(&words[1], 1, 2) + old;
}

char _license[] IN("license") = "GPL";
