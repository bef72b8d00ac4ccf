/* The flow's hash: made on demand, forgotten, given by the program; only that it is there and stays is looked at. */
#include "headers.h"

struct state {
	__u32 packets, begun, same, forgotten, kept;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} states SEC(".maps");

SEC("tc")
int skb_hash(struct __sk_buff *skb)
{
	__u32 key = 0, first;
	struct state *state = bpf_map_lookup_elem(&states, &key);

	if (!state)
		return TC_ACT_SHOT;
	state->packets++;
	state->begun += skb->hash != 0;
	if (skb->protocol != bpf_htons(ETH_IP) && skb->protocol != bpf_htons(ETH_IP6))
		return TC_ACT_UNSPEC;
	first = bpf_get_hash_recalc(skb);
	state->same += first && first == bpf_get_hash_recalc(skb) && first == skb->hash;
	bpf_set_hash_invalid(skb);
	state->forgotten += skb->hash == 0;
	bpf_set_hash(skb, skb->len * 0x9E3779B1u | 1);
	state->kept += bpf_get_hash_recalc(skb) == (skb->len * 0x9E3779B1u | 1);
	skb->queue_mapping = skb->hash % 5;
	skb->mark = skb->hash;
	return skb->hash & 2 ? TC_ACT_OK : TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
