/* Marks congestion (RFC 3168) on packets that say they understand it, and drops those of a full queue that do not.
 * Which queues are full is in a table. */
#include "corpus.h"

MAP(full, ARRAY, u32, u32, 4);

SEC("xdp")
int ecn_mark(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 queue, *state;
	u8 ecn, old;

	if (!HAS(ip, csum, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	queue = ip->tos >> 6;
	state = map_lookup(&full, &queue);
	if (!state || !*state)
		return XDP_PASS;
	old = ip->tos;
	ecn = old & 3;
	if (!ecn)
		return XDP_DROP;
	if (ecn == 3)
		return XDP_PASS;
	ip->tos = old | 3;
	ip->csum = adjusted(ip->csum, BE16(0x4500) | (u16)old << 8, BE16(0x4500) | (u16)ip->tos << 8);
	return XDP_PASS;
}

LICENSE;
