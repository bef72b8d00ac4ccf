/* A tunnel's entry at egress: adjust_room makes place for IPv4, UDP and GUE, the inner packet's kind is told in flags. */
#include "headers.h"

struct outer {
	struct ipv4 ip;
	struct udp udp;
	__be32 gue;
} __attribute__((packed));

SEC("tc")
int tc_tunnel(struct __sk_buff *skb)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0, fresh = {};
	struct outer outer = {};

	if (!ip || skb->protocol != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol == UDP)
		return TC_ACT_OK;
	fresh = *ip;
	fresh.length = bpf_htons(bpf_ntohs(ip->length) + sizeof(outer));
	fresh.id = 0;
	fresh.protocol = UDP;
	fresh.to = bpf_htonl(0xC6336402);
	fresh.sum = 0;
	fresh.sum = header_sum(&fresh);
	outer.ip = fresh;
	outer.udp.from = bpf_htons(0xC000 | (ip->protocol << 4));
	outer.udp.to = bpf_htons(6080);
	outer.udp.length = bpf_htons(bpf_ntohs(fresh.length) - sizeof(fresh));
	outer.gue = bpf_htonl(IPIP << 16);
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, flags))
		return TC_ACT_STOLEN;
	if (bpf_skb_store_bytes(skb, sizeof(struct eth), &outer, sizeof(outer), 0))
		return TC_ACT_SHOT;
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
