/* Answers echo requests itself: addresses change places, the type and its checksum change. */
#include "headers.h"

SEC("xdp")
int ping_reply(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct icmp *icmp;
	__be32 address;
	__u8 mac[6];

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->protocol != ICMP || ip->words != 5)
		return XDP_PASS;
	icmp = HEADER(icmp, ip + 1, end);
	if (!icmp || icmp->type != 8)
		return XDP_PASS;
	icmp->type = 0;
	icmp->sum = changed(icmp->sum, 8, 0);
	address = ip->from;
	ip->from = ip->to;
	ip->to = address;
	__builtin_memcpy(mac, eth->from, 6);
	__builtin_memcpy(eth->from, eth->to, 6);
	__builtin_memcpy(eth->to, mac, 6);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
