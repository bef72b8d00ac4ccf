/* Tags by the kernel's helpers: tagged packets lose theirs and keep its number as mark, others get one by address. */
#include "headers.h"

SEC("tc")
int tc_vlan(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct vlan *tag;
	__u16 number;

	if (!eth)
		return TC_ACT_SHOT;
	number = eth->from[5];
	if (eth->type == bpf_htons(ETH_VLAN)) {
		tag = HEADER(vlan, eth + 1, end);
		if (!tag)
			return TC_ACT_SHOT;
		skb->mark = bpf_ntohs(tag->tag);
		return bpf_skb_vlan_pop(skb) ? TC_ACT_STOLEN : TC_ACT_PIPE;
	}
	if (number < 4)
		return TC_ACT_OK;
	if (bpf_skb_vlan_push(skb, bpf_htons(number & 1 ? ETH_QINQ : ETH_VLAN), 0x2000 | number))
		return TC_ACT_STOLEN;
	skb->mark = skb->vlan_present << 16 | skb->vlan_tci;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
