/* ICMP by type; of echo requests each source may send 8, those above are dropped. */
#include "corpus.h"

MAP(types, ARRAY, u32, u64, 256);
MAP(pings, LRU_HASH, u32, u64, 1024);

SEC("xdp")
int icmp_limit(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct icmp *icmp;
	u64 *sent, one = 1;
	u32 source;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != ICMP)
		return XDP_PASS;
	icmp = behind(ip);
	if (!HAS(icmp, type, end))
		return XDP_PASS;
	add(&types, icmp->type, 1);
	if (icmp->type != 8 || !HAS(ip, src, end))
		return XDP_PASS;
	source = swap32(ip->src);
	sent = map_lookup(&pings, &source);
	if (!sent) {
		map_update(&pings, &source, &one, ANY);
		return XDP_PASS;
	}
	if (*sent >= 8)
		return XDP_DROP;
	__sync_fetch_and_add(sent, 1);
	return XDP_PASS;
}

LICENSE;
