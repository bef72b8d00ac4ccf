/* Service classes set at egress: l3_csum_replace of the word that holds DSCP, a store with RECOMPUTE_CSUM for IPv6. */
#include <stddef.h>
#include "headers.h"

#define IP_AT (sizeof(struct eth))

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u32);
} classes SEC(".maps");

INLINE int remark6(struct __sk_buff *skb)
{
	__u8 first[2];
	__be16 port;
	__u32 *class;
	__u16 key;

	if (bpf_skb_load_bytes(skb, IP_AT + sizeof(struct ipv6) + 2, &port, 2) || bpf_skb_load_bytes(skb, IP_AT, first, 2))
		return TC_ACT_SHOT;
	key = bpf_ntohs(port);
	class = bpf_map_lookup_elem(&classes, &key);
	if (!class)
		return TC_ACT_OK;
	first[0] = 0x60 | (*class & 0x3f) >> 2;
	first[1] = (first[1] & 0x3f) | *class << 6;
	return bpf_skb_store_bytes(skb, IP_AT, first, 2, BPF_F_RECOMPUTE_CSUM) ? TC_ACT_SHOT : TC_ACT_PIPE;
}

SEC("tc")
int skb_dscp(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u16 old, new, key;
	__u32 *class;
	__be16 port;

	if (skb->protocol == bpf_htons(ETH_IP6))
		return remark6(skb);
	if (skb->protocol != bpf_htons(ETH_IP) || !ip || ip->fragment & bpf_htons(0x1fff))
		return TC_ACT_UNSPEC;
	old = *(__u16 *)ip;
	if (ip->protocol != TCP && ip->protocol != UDP)
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, IP_AT + ip->words * 4 + 2, &port, 2))
		return TC_ACT_SHOT;
	key = bpf_ntohs(port);
	class = bpf_map_lookup_elem(&classes, &key);
	if (!class)
		return TC_ACT_OK;
	new = (old & bpf_htons(0xff03)) | bpf_htons((*class & 0x3f) << 2);
	if (new == old)
		return TC_ACT_PIPE;
	if (bpf_l3_csum_replace(skb, IP_AT + offsetof(struct ipv4, sum), old, new, 2) ||
	    bpf_skb_store_bytes(skb, IP_AT, &new, 2, 0))
		return TC_ACT_SHOT;
	skb->priority = *class;
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
