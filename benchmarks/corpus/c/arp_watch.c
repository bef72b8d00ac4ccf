/* ARP by operation, and who claims which address: an answer that contradicts an earlier one is dropped. */
#include "corpus.h"

struct claim {
	u8 mac[6];
};

MAP(operations, ARRAY, u32, u64, 16);
MAP(claims, HASH, u32, struct claim, 1024);

SEC("xdp")
int arp_watch(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct arp *arp = (void *)(eth + 1);
	struct claim *claim, fresh;
	u32 op, address;

	if (!HAS(eth, type, end) || eth->type != BE16(ETH_ARP))
		return XDP_PASS;
	if (!HAS(arp, op, end))
		return XDP_PASS;
	op = swap16(arp->op);
	if (op >= 16)
		return XDP_PASS;
	add(&operations, op, 1);
	if (op != 2)
		return XDP_PASS;
	if (!HAS(arp, sender_ip, end))
		return XDP_PASS;
	address = (u32)arp->sender_ip[0] << 24 | arp->sender_ip[1] << 16 | arp->sender_ip[2] << 8 | arp->sender_ip[3];
	claim = map_lookup(&claims, &address);
	if (!claim) {
		__builtin_memcpy(fresh.mac, arp->sender, 6);
		map_update(&claims, &address, &fresh, ANY);
		return XDP_PASS;
	}
	for (int at = 0; at < 6; at++)
		if (claim->mac[at] != arp->sender[at])
			return XDP_DROP;
	return XDP_PASS;
}

LICENSE;
