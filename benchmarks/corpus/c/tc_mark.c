/* Marks packets for routing, and gives them a priority: DNS, SSH, small and large ones of the rest. */
#include "corpus.h"

MAP(marked, ARRAY, u32, u64, 8);

SEC("tc")
int tc_mark(struct __sk_buff *skb)
{
	PACKET(skb);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct udp *udp;
	u32 kind;

	if (!HAS(eth, type, end))
		return TC_ACT_UNSPEC;
	if (eth->type != BE16(ETH_IP))
		return TC_ACT_OK;
	if (!HAS(ip, proto, end))
		return TC_ACT_UNSPEC;
	if (ip->proto != TCP && ip->proto != UDP)
		return TC_ACT_OK;
	udp = behind(ip);
	if (!HAS(udp, dport, end))
		return TC_ACT_UNSPEC;
	if (ip->proto == UDP && udp->dport == BE16(53))
		kind = 1;
	else if (ip->proto == TCP && udp->dport == BE16(22))
		kind = 2;
	else if (skb->len < 256)
		kind = 3;
	else
		kind = 4;
	skb->mark = 0x100 | kind;
	skb->priority = kind < 3 ? 6 : 0;
	add(&marked, kind, 1);
	return TC_ACT_OK;
}

LICENSE;
