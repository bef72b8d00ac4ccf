/* TCP options turn by turn in bpf_loop: the largest segment is lowered in the packet, its sum follows, kinds are counted. */
#include <stddef.h>
#include "headers.h"

#define TCP_AT (sizeof(struct eth) + sizeof(struct ipv4))
#define SMALL 1200

__u32 kinds[256];

struct walk {
	struct __sk_buff *skb;
	__u32 at, end;
	__u32 segment, broken;
};

static int option(__u32 number, struct walk *walk)
{
	__u8 head[2];

	if (walk->at >= walk->end)
		return 1;
	if (bpf_skb_load_bytes(walk->skb, walk->at, head, 1)) {
		walk->broken = 1;
		return 1;
	}
	kinds[head[0]]++;
	if (head[0] == 0)
		return 1;
	if (head[0] == 1) {
		walk->at++;
		return 0;
	}
	if (bpf_skb_load_bytes(walk->skb, walk->at, head, 2) || head[1] < 2 || walk->at + head[1] > walk->end) {
		walk->broken = 2;
		return 1;
	}
	if (head[0] == 2 && head[1] == 4)
		walk->segment = walk->at + 2;
	walk->at += head[1];
	return 0;
}

SEC("tc")
int skb_options(struct __sk_buff *skb)
{
	struct walk walk = {skb, TCP_AT + sizeof(struct tcp)};
	__u8 protocol = 0, words = 0;
	__be16 old, new = bpf_htons(SMALL);

	if (skb->protocol != bpf_htons(ETH_IP) || bpf_skb_load_bytes(skb, sizeof(struct eth) + 9, &protocol, 1) ||
	    protocol != TCP)
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, TCP_AT + 12, &words, 1))
		return TC_ACT_SHOT;
	walk.end = TCP_AT + (words >> 4) * 4;
	skb->cb[2] = bpf_loop(40, option, &walk, 0);
	skb->cb[3] = walk.broken;
	if (walk.broken)
		return TC_ACT_STOLEN;
	if (!walk.segment || bpf_skb_load_bytes(skb, walk.segment, &old, 2) || bpf_ntohs(old) <= SMALL)
		return TC_ACT_PIPE;
	/* An option at an odd place has its bytes in the halves of two words: those are summed turned around. */
	if (bpf_l4_csum_replace(skb, TCP_AT + offsetof(struct tcp, sum), walk.segment & 1 ? __builtin_bswap16(old) : old,
				walk.segment & 1 ? __builtin_bswap16(new) : new, 2) ||
	    bpf_skb_store_bytes(skb, walk.segment, &new, 2, 0))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual MIT/GPL";
