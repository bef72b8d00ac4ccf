/* Stages of tail calls that hand on what they know in the packet's control block, cb[0] to cb[4]. */
#include "headers.h"

int second(struct __sk_buff *skb);
int third(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int(void *));
} stages SEC(".maps") = {.values = {[0] = (void *)second, [1] = (void *)third}};

SEC("tc")
int third(struct __sk_buff *skb)
{
	skb->cb[3] += skb->cb[0] * skb->cb[1];
	skb->mark = skb->cb[3] + skb->hash;
	return skb->cb[2] & 1 ? TC_ACT_SHOT : TC_ACT_PIPE;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	__u8 protocol = 0;

	if (bpf_skb_load_bytes(skb, skb->cb[0] + 9, &protocol, 1))
		return TC_ACT_STOLEN;
	skb->cb[1] = protocol;
	skb->cb[2] = skb->cb[2] + protocol;
	bpf_tail_call(skb, &stages, protocol == UDP ? 9 : 1);
	return TC_ACT_OK;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	if (skb->protocol != bpf_htons(ETH_IP))
		return TC_ACT_OK;
	skb->cb[0] = sizeof(struct eth);
	skb->cb[3] = skb->len;
	bpf_tail_call(skb, &stages, 0);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual MIT/GPL";
