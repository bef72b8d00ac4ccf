/* A firewall that lets TCP and UDP pass where the five numbers of the flow are listed, and drops the rest of IPv4. */
#include "corpus.h"

struct flow {
	be32 src, dst;
	be16 sport, dport;
	u32 proto;
};

MAP(allowed, HASH, struct flow, u64, 1024);

SEC("xdp")
int allow_list(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct flow flow;
	struct udp *udp;
	u64 *packets;

	if (!HAS(eth, type, end))
		return XDP_DROP;
	if (eth->type != BE16(ETH_IP))
		return XDP_PASS;
	if (!HAS(ip, dst, end) || (ip->proto != TCP && ip->proto != UDP))
		return XDP_DROP;
	udp = behind(ip);
	if (!HAS(udp, dport, end))
		return XDP_DROP;
	flow.src = ip->src;
	flow.dst = ip->dst;
	flow.sport = udp->sport;
	flow.dport = udp->dport;
	flow.proto = ip->proto;
	packets = map_lookup(&allowed, &flow);
	if (!packets)
		return XDP_DROP;
	__sync_fetch_and_add(packets, 1);
	return XDP_PASS;
}

LICENSE;
