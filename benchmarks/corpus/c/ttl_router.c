/* A router's first step: the time to live goes down by one, with the checksum; what has none left is dropped. */
#include "corpus.h"

MAP(expired, ARRAY, u32, u64, 1);

SEC("xdp")
int ttl_router(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 sum;

	if (!HAS(ip, csum, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	if (ip->ttl <= 1) {
		add(&expired, 0, 1);
		return XDP_DROP;
	}
	sum = ip->csum + BE16(0x100);
	ip->csum = sum + (sum > 0xffff);
	ip->ttl--;
	return XDP_TX;
}

LICENSE;
