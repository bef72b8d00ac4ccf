/* Translation of the source at egress with the kernel's own checksum helpers: pseudo header, ports, mangled zero sums. */
#include <stddef.h>
#include "headers.h"

#define IP_AT (sizeof(struct eth))
#define L4_AT (IP_AT + sizeof(struct ipv4))

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, __be32);
} inside SEC(".maps");

SEC("tc")
int tc_nat(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__be32 *found, old, new;
	__u32 at = L4_AT, flags = 4;
	__u8 protocol;

	if (!ip || skb->protocol != bpf_htons(ETH_IP) || ip->words != 5)
		return TC_ACT_OK;
	old = ip->from;
	protocol = ip->protocol;
	found = bpf_map_lookup_elem(&inside, &old);
	if (!found)
		return TC_ACT_OK;
	new = *found;
	if (protocol == TCP) {
		at += offsetof(struct tcp, sum);
		flags |= BPF_F_PSEUDO_HDR;
	} else if (protocol == UDP) {
		at += offsetof(struct udp, sum);
		flags |= BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0;
	} else if (protocol != ICMP) {
		return TC_ACT_SHOT;
	}
	if (protocol != ICMP && bpf_l4_csum_replace(skb, at, old, new, flags))
		return TC_ACT_STOLEN;
	if (bpf_l3_csum_replace(skb, IP_AT + offsetof(struct ipv4, sum), old, new, 4) ||
	    bpf_skb_store_bytes(skb, IP_AT + offsetof(struct ipv4, from), &new, 4, BPF_F_INVALIDATE_HASH))
		return TC_ACT_SHOT;
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
