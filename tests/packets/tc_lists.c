/* Numbers in text, as in requests' headers: bpf_strtoul reads a content length, which is added up and limited. */
#include "headers.h"

__u64 total, wrong;

static const char word[] = "Length: ";

SEC("tc")
int tc_lists(struct __sk_buff *skb)
{
	char text[24] = {};
	unsigned long length = 0;
	long digits;
	__u32 at = sizeof(struct eth) + sizeof(struct ipv4) + sizeof(struct tcp);

	if (skb->protocol != bpf_htons(ETH_IP) || bpf_skb_load_bytes(skb, at, text, sizeof(text) - 1))
		return TC_ACT_OK;
	if (bpf_strncmp(text, sizeof(word) - 1, word))
		return TC_ACT_PIPE;
	digits = bpf_strtoul(text + sizeof(word) - 1, sizeof(text) - sizeof(word), 0, &length);
	if (digits < 0) {
		wrong++;
		return TC_ACT_SHOT;
	}
	total += length;
	skb->mark = digits;
	return length > 5000 ? TC_ACT_SHOT : TC_ACT_STOLEN;
}

char _license[] SEC("license") = "Dual MIT/GPL";
