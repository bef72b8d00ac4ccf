/* Packets by IPv4 protocol. */
#include "corpus.h"

MAP(hits, ARRAY, u32, u64, 256);

SEC("xdp")
int proto_count(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	add(&hits, ip->proto, 1);
	return XDP_PASS;
}

LICENSE;
