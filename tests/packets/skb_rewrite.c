/* Payload rewritten in the packet: csum_diff of the old and the new bytes goes into UDP's sum, the type becomes the host's. */
#include <stddef.h>
#include "headers.h"

#define UDP_AT (sizeof(struct eth) + sizeof(struct ipv4))
#define LOAD_AT (UDP_AT + sizeof(struct udp))

SEC("tc")
int skb_rewrite(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4 *ip = HEADER(ipv4, data + sizeof(struct eth), end);
	__be32 old[4], new[4];
	long difference;

	skb->cb[0] = skb->pkt_type;
	skb->cb[1] = bpf_skb_change_type(skb, 3);
	if (bpf_skb_change_type(skb, skb->len & 3))
		skb->cb[1] |= 0x100;
	skb->cb[2] = skb->pkt_type;
	if (!ip || skb->protocol != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != UDP)
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, LOAD_AT, old, sizeof(old)))
		return TC_ACT_PIPE;
	for (int at = 0; at < 4; at++)
		new[at] = old[at] ^ bpf_htonl(0x20202020u << at);
	difference = bpf_csum_diff(old, sizeof(old), new, sizeof(new), 0);
	skb->cb[3] = bpf_csum_update(skb, difference);
	skb->cb[4] = bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY);
	if (bpf_skb_store_bytes(skb, LOAD_AT, new, sizeof(new), 0) ||
	    bpf_l4_csum_replace(skb, UDP_AT + offsetof(struct udp, sum), 0, difference, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual MIT/GPL";
