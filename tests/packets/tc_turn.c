/* Turns packets around: MAC addresses exchanged by stores, the packet redirected to where it came from, copies sent on. */
#include "headers.h"

SEC("tc")
int tc_turn(struct __sk_buff *skb)
{
	__u8 to[6], from[6];

	if (bpf_skb_load_bytes(skb, 0, to, 6) || bpf_skb_load_bytes(skb, 6, from, 6))
		return TC_ACT_SHOT;
	if (to[0] & 1)
		return TC_ACT_OK; /* for many */
	if (bpf_skb_store_bytes(skb, 0, from, 6, 0) || bpf_skb_store_bytes(skb, 6, to, 6, 0))
		return TC_ACT_SHOT;
	if (from[5] & 1)
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	if (from[5] & 2)
		return bpf_redirect_peer(skb->ifindex, 0);
	return bpf_redirect_neigh(skb->ifindex, 0, 0, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
