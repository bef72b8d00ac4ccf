/* Destination NAT: a service's address and port become those of the machine behind it. */
#include "corpus.h"

struct endpoint {
	be32 address;
	be16 port;
	u16 proto;
};

MAP(services, HASH, struct endpoint, struct endpoint, 256);
MAP(translated, PERCPU_ARRAY, u32, u64, 1);

SEC("xdp")
int dnat(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct endpoint key, *to;
	struct udp *udp;
	u32 first = 0;
	u64 *total;

	if (!HAS(ip, dst, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	if (ip->proto != TCP && ip->proto != UDP)
		return XDP_PASS;
	udp = behind(ip);
	if (!HAS(udp, csum, end))
		return XDP_PASS;
	key.port = udp->dport;
	key.address = ip->dst;
	key.proto = ip->proto;
	to = map_lookup(&services, &key);
	if (!to)
		return XDP_PASS;
	if (ip->proto == TCP) {
		struct tcp *tcp = (void *)udp;

		if (!HAS(tcp, csum, end))
			return XDP_PASS;
		tcp->csum = adjusted(adjusted_word(tcp->csum, ip->dst, to->address), key.port, to->port);
	} else if (udp->csum) {
		udp->csum = adjusted(adjusted_word(udp->csum, ip->dst, to->address), key.port, to->port);
	}
	ip->csum = adjusted_word(ip->csum, ip->dst, to->address);
	ip->dst = to->address;
	udp->dport = to->port;
	total = map_lookup(&translated, &first);
	if (total)
		++*total;
	return XDP_PASS;
}

LICENSE;
