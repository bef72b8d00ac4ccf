// Data sections with names of their own: .rodata.*, .data.* and .bss.* are maps like the plain ones.
#include "bpf.h"

const volatile u32 low IN(".rodata.limits") = 20, high IN(".rodata.limits") = 1500;
u64 counters[2] IN(".data.counters") = { 100, 200 };
u32 scratch IN(".bss.scratch");
static u64 quiet IN(".bss.scratch");
u32 plain = 3;
u32 empty;

IN("xdp") int custom(struct xdp_md *ctx)
{
	u32 size = ctx->data_end - ctx->data;

	scratch = size;
	quiet += size;
	empty += plain;
	counters[size > high]++;
	return size < low ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
