/* Takes the tag of IEEE 802.1Q off, and counts frames by VLAN. */
#include "corpus.h"

MAP(vlans, ARRAY, u32, u64, 4096);

SEC("xdp")
int vlan_pop(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data, old;
	struct vlan *vlan = (void *)(eth + 1);

	if (!HAS(vlan, type, end) || eth->type != BE16(ETH_VLAN))
		return XDP_PASS;
	add(&vlans, swap16(vlan->tag) & 0xfff, 1);
	old = *eth;
	old.type = vlan->type;
	if (xdp_adjust_head(ctx, sizeof(*vlan)))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = data;
	if (!HAS(eth, type, end))
		return XDP_PASS;
	*eth = old;
	return XDP_PASS;
}

LICENSE;
