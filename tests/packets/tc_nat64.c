/* IPv6 to IPv4 for one prefix (RFC 6052): change_proto makes the room, a new header is stored, the sums follow. */
#include <stddef.h>
#include "headers.h"

SEC("tc")
int tc_nat64(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv6 *ip6 = eth ? HEADER(ipv6, eth + 1, end) : 0;
	struct ipv4 ip = {};
	__be16 type = bpf_htons(ETH_IP);
	__be32 old[8], fresh[2];
	__s64 sum;

	if (!ip6 || skb->protocol != bpf_htons(ETH_IP6) || ip6->next != UDP)
		return TC_ACT_OK;
	__builtin_memcpy(old, ip6->from, 32);
	if (old[4] != bpf_htonl(0x0064ff9b))
		return TC_ACT_PIPE;
	ip.version = 4;
	ip.words = 5;
	ip.tos = bpf_ntohl(ip6->flow) >> 20;
	ip.length = bpf_htons(bpf_ntohs(ip6->length) + sizeof(ip));
	ip.ttl = ip6->hops;
	ip.protocol = ip6->next;
	ip.from = bpf_htonl(0xC0A80000) | (old[3] & bpf_htonl(0xffff));
	ip.to = old[7];
	ip.sum = header_sum(&ip);
	fresh[0] = ip.from;
	fresh[1] = ip.to;
	sum = bpf_csum_diff(old, sizeof(old), fresh, sizeof(fresh), 0);
	if (bpf_skb_change_proto(skb, bpf_htons(ETH_IP), 0))
		return TC_ACT_STOLEN;
	if (bpf_skb_store_bytes(skb, offsetof(struct eth, type), &type, 2, 0) ||
	    bpf_skb_store_bytes(skb, sizeof(struct eth), &ip, sizeof(ip), 0))
		return TC_ACT_SHOT;
	if (bpf_l4_csum_replace(skb, sizeof(struct eth) + sizeof(ip) + offsetof(struct udp, sum), 0, sum,
				BPF_F_PSEUDO_HDR))
		return TC_ACT_SHOT;
	skb->mark = bpf_ntohs(skb->protocol);
	return bpf_redirect(skb->ifindex, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
