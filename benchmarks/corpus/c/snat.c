/* Source NAT: listed inner addresses get their outer one, with the checksums of IPv4, TCP and UDP. */
#include "corpus.h"

MAP(outside, HASH, u32, u32, 256);

SEC("xdp")
int snat(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 source, *found;
	be32 old, new;

	if (!HAS(ip, dst, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	source = swap32(ip->src);
	found = map_lookup(&outside, &source);
	if (!found)
		return XDP_PASS;
	old = ip->src;
	new = swap32(*found);
	if (ip->proto == TCP) {
		struct tcp *tcp = behind(ip);

		if (!HAS(tcp, csum, end))
			return XDP_PASS;
		tcp->csum = adjusted_word(tcp->csum, old, new);
	} else if (ip->proto == UDP) {
		struct udp *udp = behind(ip);

		if (!HAS(udp, csum, end))
			return XDP_PASS;
		if (udp->csum) {
			udp->csum = adjusted_word(udp->csum, old, new);
			if (!udp->csum)
				udp->csum = 0xffff;
		}
	}
	ip->csum = adjusted_word(ip->csum, old, new);
	ip->src = new;
	return XDP_PASS;
}

LICENSE;
