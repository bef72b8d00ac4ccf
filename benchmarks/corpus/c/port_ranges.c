/* Drops TCP to ports of up to 8 ranges; one with last 0 ends the list. */
#include "corpus.h"

struct range {
	u16 first, last;
};

MAP(ranges, ARRAY, u32, struct range, 8);
MAP(dropped, ARRAY, u32, u64, 8);

SEC("xdp")
int port_ranges(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct tcp *tcp;
	u16 port;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != TCP)
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, dport, end))
		return XDP_PASS;
	port = swap16(tcp->dport);
	for (u32 at = 0; at < 8; at++) {
		struct range *range = map_lookup(&ranges, &at);

		if (!range || !range->last)
			break;
		if (range->first <= port && port <= range->last) {
			add(&dropped, at, 1);
			return XDP_DROP;
		}
	}
	return XDP_PASS;
}

LICENSE;
