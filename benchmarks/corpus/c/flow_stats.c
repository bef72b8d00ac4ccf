/* Packets, bytes and the largest packet of each TCP or UDP flow. */
#include "corpus.h"

struct flow {
	be32 src, dst;
	be16 sport, dport;
	u32 proto;
};

struct stats {
	u64 packets, bytes;
	u32 longest, flags;
};

MAP(flows, HASH, struct flow, struct stats, 4096);

SEC("xdp")
int flow_stats(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct stats *stats, fresh = {};
	struct flow flow = {};
	struct tcp *tcp;
	u32 size = end - data, flags = 0;

	if (!HAS(ip, dst, end) || eth->type != BE16(ETH_IP) || (ip->proto != TCP && ip->proto != UDP))
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, dport, end))
		return XDP_PASS;
	if (ip->proto == TCP) {
		if (!HAS(tcp, flags, end))
			return XDP_PASS;
		flags = tcp->flags;
	}
	flow.src = ip->src;
	flow.dst = ip->dst;
	flow.sport = tcp->sport;
	flow.dport = tcp->dport;
	flow.proto = ip->proto;
	stats = map_lookup(&flows, &flow);
	if (!stats) {
		fresh.packets = 1;
		fresh.bytes = fresh.longest = size;
		fresh.flags = flags;
		map_update(&flows, &flow, &fresh, ANY);
		return XDP_PASS;
	}
	stats->packets++;
	stats->bytes += size;
	stats->flags |= flags;
	if (size > stats->longest)
		stats->longest = size;
	return XDP_PASS;
}

LICENSE;
