/* GRE at a tunnel's two ends: adjust_room puts 24 bytes before the network header and says so, or takes them away again. */
#include "headers.h"

struct outer {
	struct ipv4 ip;
	struct gre gre;
};

#define IP_AT (sizeof(struct eth))

INLINE int stripped(struct __sk_buff *skb, const struct outer *outer)
{
	__be16 type = outer->gre.protocol;

	if (outer->gre.flags || (type != bpf_htons(ETH_IP) && type != bpf_htons(ETH_IP6)))
		return TC_ACT_SHOT;
	if (bpf_skb_adjust_room(skb, -(int)sizeof(*outer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return TC_ACT_STOLEN;
	return bpf_skb_store_bytes(skb, 12, &type, 2, 0) ? TC_ACT_SHOT : TC_ACT_PIPE;
}

SEC("tc")
int skb_gre(struct __sk_buff *skb)
{
	struct outer outer = {};
	__be16 type;

	if (skb->protocol != bpf_htons(ETH_IP) || bpf_skb_load_bytes(skb, IP_AT, &outer.ip, sizeof(outer.ip)) ||
	    outer.ip.words != 5)
		return TC_ACT_OK;
	if (outer.ip.protocol == GRE)
		return bpf_skb_load_bytes(skb, IP_AT, &outer, sizeof(outer)) ? TC_ACT_SHOT : stripped(skb, &outer);
	outer.gre.flags = 0;
	outer.gre.protocol = bpf_htons(ETH_IP);
	outer.ip.protocol = GRE;
	outer.ip.ttl = 64;
	outer.ip.from = bpf_htonl(0xc0000201);
	outer.ip.to = bpf_htonl(0xc0000202);
	outer.ip.length = bpf_htons(bpf_ntohs(outer.ip.length) + sizeof(outer));
	outer.ip.fragment = 0;
	outer.ip.sum = 0;
	outer.ip.sum = header_sum(&outer.ip);
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_store_bytes(skb, IP_AT, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH))
		return TC_ACT_SHOT;
	if (bpf_skb_load_bytes(skb, 12, &type, 2))
		return TC_ACT_SHOT;
	skb->mark = type;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual MIT/GPL";
