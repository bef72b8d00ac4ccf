// .data: variables that start with a value, global and static, of several sizes, with gaps between them.
#include "bpf.h"

u64 first = 0x0123456789abcdef;
u8 flag = 1;
u32 after_a_gap = 7;
static volatile s16 hidden = -2;
struct pair { u8 kind; u64 amount; } pairs[3] = { { 1, 10 }, { 2, 20 }, { 3, 30 } };
static struct pair last = { 9, 90 };

IN("xdp") int variables(struct xdp_md *ctx)
{
	u32 index = ctx->rx_queue_index;

	first += ctx->data_end - ctx->data;
	flag ^= 1;
	hidden++;
	if (index < 3)
		pairs[index].amount += after_a_gap;
	last.amount += pairs[1].kind;
	return last.amount & 1 ? XDP_PASS : XDP_DROP;
}

char _license[] IN("license") = "GPL";
