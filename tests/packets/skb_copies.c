/* A packet turned around and sent back: redirect by device and direction, and what clone_redirect answers to wrong flags. */
#include "headers.h"

__u32 answers[4];

SEC("tc")
int skb_copies(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	__u8 kept[6];

	if (!eth)
		return TC_ACT_SHOT;
	__builtin_memcpy(kept, eth->to, 6);
	answers[0] += bpf_clone_redirect(skb, skb->ifindex, 2) == -22;
	/* The verifier wants the packet looked at anew behind the call, whatever it answered. */
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	eth = HEADER(eth, data, end);
	if (!eth)
		return TC_ACT_SHOT;
	__builtin_memcpy(eth->to, eth->from, 6);
	__builtin_memcpy(eth->from, kept, 6);
	answers[1] += bpf_redirect(skb->ifindex, 2) == TC_ACT_SHOT;
	answers[2] += skb->len;
	if (kept[0] & 1)
		return TC_ACT_OK;
	answers[3]++;
	return bpf_redirect(skb->ifindex, skb->len & 1 ? BPF_F_INGRESS : 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
