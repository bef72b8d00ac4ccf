/* Frames by VLAN, of one tag or two; untagged ones are 0. */
#include "corpus.h"

MAP(vlans, HASH, u16, u64, 4096);

SEC("xdp")
int vlan_count(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct vlan *vlan = (void *)(eth + 1);
	be16 type;
	u16 id = 0;

	if (!HAS(eth, type, end))
		return XDP_PASS;
	type = eth->type;
	for (int tags = 0; tags < 2; tags++) {
		if (type != BE16(ETH_VLAN) && type != BE16(ETH_QINQ))
			break;
		if (!HAS(vlan, type, end))
			return XDP_PASS;
		id = swap16(vlan->tag) & 0xfff;
		type = vlan->type;
		vlan++;
	}
	count(&vlans, &id, 1);
	return XDP_PASS;
}

LICENSE;
