/* A tunnel's end at ingress: IPv4 or IPv6 in IPv4 loses the outer header by adjust_room, the inner kind in the flags. */
#include "headers.h"

#define IP6_INSIDE 41
#define DECAP_IP4 (1 << 7) /* BPF_F_ADJ_ROOM_DECAP_L3_IPV4, since Linux 6.6 */
#define DECAP_IP6 (1 << 8)

SEC("tc")
int tc_untunnel(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	__u8 protocol;

	if (!ip || skb->protocol != bpf_htons(ETH_IP) || ip->words != 5)
		return TC_ACT_OK;
	protocol = ip->protocol;
	if (protocol == IPIP)
		flags |= DECAP_IP4;
	else if (protocol == IP6_INSIDE)
		flags |= DECAP_IP6;
	else
		return TC_ACT_OK;
	skb->mark = skb->len;
	if (bpf_skb_adjust_room(skb, -(int)sizeof(*ip), BPF_ADJ_ROOM_MAC, flags))
		return TC_ACT_STOLEN;
	skb->mark -= skb->len;
	skb->priority = bpf_ntohs(skb->protocol);
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
