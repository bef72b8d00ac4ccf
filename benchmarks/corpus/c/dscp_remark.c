/* Gives packets the code point (RFC 2474) that a table has for their destination's port; ECN's bits stay. */
#include "corpus.h"

MAP(classes, HASH, u16, u8, 256);

SEC("tc")
int dscp_remark(struct __sk_buff *skb)
{
	PACKET(skb);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct udp *udp;
	u8 *class, old, tos;
	u16 port;

	if (!HAS(eth, type, end))
		return TC_ACT_UNSPEC;
	if (eth->type != BE16(ETH_IP))
		return TC_ACT_OK;
	if (!HAS(ip, csum, end))
		return TC_ACT_UNSPEC;
	if (ip->proto != TCP && ip->proto != UDP)
		return TC_ACT_OK;
	udp = behind(ip);
	if (!HAS(udp, dport, end))
		return TC_ACT_UNSPEC;
	port = swap16(udp->dport);
	class = map_lookup(&classes, &port);
	if (!class)
		return TC_ACT_OK;
	old = ip->tos;
	tos = *class << 2 | (old & 3);
	if (tos == old)
		return TC_ACT_OK;
	ip->csum = adjusted(ip->csum, (u16)old << 8, (u16)tos << 8);
	ip->tos = tos;
	return TC_ACT_OK;
}

LICENSE;
