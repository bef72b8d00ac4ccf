/* How much of a packet a capturing socket gets: the whole header chain of TCP and UDP, little of others, of some nothing. */
#include "headers.h"

#define PAYLOAD 32

const volatile __u32 most = 0x40000;
__u64 kept, lost;

SEC("socket")
int skb_snap(struct __sk_buff *skb)
{
	__u32 at = sizeof(struct eth), snap;
	__u8 first, protocol, words;
	__u32 type = skb->protocol;

	if (type == bpf_htons(ETH_ARP))
		return most;
	if (type != bpf_htons(ETH_IP) || bpf_skb_load_bytes(skb, at, &first, 1) || bpf_skb_load_bytes(skb, at + 9, &protocol, 1)) {
		lost += skb->len;
		return 0;
	}
	at += (first & 15) * 4;
	if (protocol == UDP) {
		snap = at + sizeof(struct udp) + PAYLOAD;
	} else if (protocol == TCP) {
		if (bpf_skb_load_bytes(skb, at + 12, &words, 1))
			return 0;
		snap = at + (words >> 4) * 4 + (skb->len & 1 ? PAYLOAD : 0);
	} else {
		snap = at;
	}
	if (snap > skb->len)
		snap = skb->len;
	kept += snap;
	lost += skb->len - snap;
	return snap;
}

char _license[] SEC("license") = "Dual MIT/GPL";
