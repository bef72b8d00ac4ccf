/* Bytes by IPv4 protocol, a counter for each CPU. */
#include "corpus.h"

MAP(volume, PERCPU_ARRAY, u32, u64, 256);

SEC("xdp")
int proto_bytes(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u64 *bytes;
	u32 proto;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	proto = ip->proto;
	bytes = map_lookup(&volume, &proto);
	if (bytes)
		*bytes += end - data;
	return XDP_PASS;
}

LICENSE;
