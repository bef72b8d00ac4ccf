/* IPv6's chain of extension headers by load_bytes_relative, so that a VLAN tag or no MAC header makes no difference. */
#include "headers.h"

#define MOST 6

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

INLINE void count(__u32 kind)
{
	__u64 *number = bpf_map_lookup_elem(&seen, &kind);

	if (number)
		__sync_fetch_and_add(number, 1);
}

SEC("tc")
int skb_walk(struct __sk_buff *skb)
{
	struct extension one;
	struct ipv6 ip;
	__u8 next, target[6];
	__u32 at;

	if (skb->protocol != bpf_htons(ETH_IP6))
		return TC_ACT_OK;
	if (bpf_skb_load_bytes_relative(skb, 0, target, 6, BPF_HDR_START_MAC) ||
	    bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
		return TC_ACT_SHOT;
	next = ip.next;
	at = sizeof(ip);
	for (int depth = 0; depth < MOST; depth++) {
		count(next);
		if (next != 0 && next != 43 && next != 44 && next != 60)
			break;
		if (bpf_skb_load_bytes_relative(skb, at, &one, sizeof(one), BPF_HDR_START_NET))
			return TC_ACT_SHOT;
		if (next == 43)
			return TC_ACT_STOLEN;
		at += next == 44 ? 8 : (one.size + 1) * 8;
		next = one.next;
	}
	skb->cb[0] = at;
	skb->cb[1] = next | target[5] << 8;
	return next == TCP || next == UDP || next == 58 ? TC_ACT_OK : TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
