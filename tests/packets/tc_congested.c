/* Tells congestion by the kernel's helper, which knows IPv4 and IPv6: capable packets are marked, the others counted. */
#include "headers.h"

__u64 marked, left;

SEC("tc")
int tc_congested(struct __sk_buff *skb)
{
	if (skb->len < 60)
		return TC_ACT_OK;
	if (bpf_skb_ecn_set_ce(skb)) {
		marked++;
		return TC_ACT_PIPE;
	}
	left++;
	return skb->protocol == bpf_htons(ETH_IP6) ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
