/* Answers echo requests (RFC 792) without the host. */
#include "corpus.h"

MAP(answered, HASH, u32, u64, 1024);

SEC("xdp")
int ping_reply(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct icmp *icmp = (void *)(ip + 1);
	u8 mac[6];
	be32 address;
	u32 source;

	if (!HAS(icmp, csum, end) || eth->type != BE16(ETH_IP) || ip->ihl != 5 || ip->proto != ICMP)
		return XDP_PASS;
	if (icmp->type != 8 || icmp->code)
		return XDP_PASS;
	__builtin_memcpy(mac, eth->dst, 6);
	__builtin_memcpy(eth->dst, eth->src, 6);
	__builtin_memcpy(eth->src, mac, 6);
	address = ip->dst;
	ip->dst = ip->src;
	ip->src = address;
	icmp->type = 0;
	icmp->csum = adjusted(icmp->csum, BE16(0x800), 0);
	source = swap32(ip->dst);
	count(&answered, &source, 1);
	return XDP_TX;
}

LICENSE;
