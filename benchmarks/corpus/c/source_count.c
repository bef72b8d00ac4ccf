/* Packets by IPv4 source. */
#include "corpus.h"

MAP(sources, HASH, u32, u64, 4096);

SEC("xdp")
int source_count(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 source;

	if (!HAS(ip, src, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	source = swap32(ip->src);
	count(&sources, &source, 1);
	return XDP_PASS;
}

LICENSE;
