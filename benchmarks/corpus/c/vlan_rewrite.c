/* VLANs get the number that a table has for them, their priority stays; those that it maps to 0 are dropped. */
#include "corpus.h"

MAP(numbers, HASH, u16, u16, 256);

SEC("xdp")
int vlan_rewrite(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct vlan *vlan = (void *)(eth + 1);
	u16 tag, id, *to;

	if (!HAS(vlan, tag, end) || eth->type != BE16(ETH_VLAN))
		return XDP_PASS;
	tag = swap16(vlan->tag);
	id = tag & 0xfff;
	to = map_lookup(&numbers, &id);
	if (!to)
		return XDP_PASS;
	if (!*to)
		return XDP_DROP;
	vlan->tag = swap16((tag & 0xf000) | (*to & 0xfff));
	return XDP_PASS;
}

LICENSE;
