/* Sizes of frames by powers of two, and of IPv4 and IPv6 apart. */
#include "corpus.h"

MAP(sizes, ARRAY, u32, u64, 16);
MAP(sizes6, ARRAY, u32, u64, 16);

INLINE u32 log2(u32 number)
{
	u32 bits = 0, shift;

	shift = (number > 0xffff) << 4;
	number >>= shift;
	bits |= shift;
	shift = (number > 0xff) << 3;
	number >>= shift;
	bits |= shift;
	shift = (number > 0xf) << 2;
	number >>= shift;
	bits |= shift;
	shift = (number > 3) << 1;
	number >>= shift;
	bits |= shift;
	return bits | number >> 1;
}

SEC("xdp")
int size_histogram(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	u32 slot;

	if (!HAS(eth, type, end))
		return XDP_PASS;
	slot = log2(end - data);
	if (slot > 15)
		slot = 15;
	if (eth->type == BE16(ETH_IP6))
		add(&sizes6, slot, 1);
	else if (eth->type == BE16(ETH_IP))
		add(&sizes, slot, 1);
	return XDP_PASS;
}

LICENSE;
