/* A load balancer: the flow's hash chooses a server, whose addresses are written into the packet. */
#include "corpus.h"

struct server {
	be32 address;
	u8 mac[6];
	u16 weight;
};

MAP(servers, ARRAY, u32, struct server, 64);
MAP(sent, ARRAY, u32, u64, 64);

INLINE u32 mixed(u32 hash, u32 word)
{
	hash = (hash ^ word) * 0x9e3779b1;
	return hash ^ hash >> 15;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct tcp *tcp = (void *)(ip + 1);
	struct server *server;
	u32 slot;

	if (!HAS(tcp, csum, end) || eth->type != BE16(ETH_IP) || ip->ihl != 5 || ip->proto != TCP)
		return XDP_PASS;
	slot = mixed(mixed(mixed(ip->proto, swap32(ip->src)), swap32(ip->dst)),
		     (u32)swap16(tcp->sport) << 16 | swap16(tcp->dport)) % 64;
	server = map_lookup(&servers, &slot);
	if (!server || !server->address)
		return XDP_PASS;
	tcp->csum = adjusted_word(tcp->csum, ip->dst, server->address);
	ip->csum = adjusted_word(ip->csum, ip->dst, server->address);
	ip->dst = server->address;
	__builtin_memcpy(eth->src, eth->dst, 6);
	__builtin_memcpy(eth->dst, server->mac, 6);
	add(&sent, slot, 1);
	return XDP_TX;
}

LICENSE;
