/* Puts frames of listed senders into their VLAN. */
#include "corpus.h"

struct sender {
	u8 mac[6];
};

MAP(members, HASH, struct sender, u16, 256);
MAP(pushed, HASH, u16, u64, 256);

SEC("tc")
int tc_vlan_push(struct __sk_buff *skb)
{
	PACKET(skb);
	struct eth *eth = data;
	struct sender sender;
	u16 *found, id;

	if (!HAS(eth, type, end))
		return TC_ACT_UNSPEC;
	if (eth->type == BE16(ETH_VLAN))
		return TC_ACT_OK;
	__builtin_memcpy(sender.mac, eth->src, 6);
	found = map_lookup(&members, &sender);
	if (!found)
		return TC_ACT_OK;
	id = *found;
	if (skb_vlan_push(skb, BE16(ETH_VLAN), id))
		return TC_ACT_SHOT;
	count(&pushed, &id, 1);
	return TC_ACT_OK;
}

LICENSE;
