// A program alone: no maps, no license, no data, only code.
#include "bpf.h"

IN("xdp") int bare(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data > 64 ? XDP_DROP : XDP_PASS;
}
