/* Earliest departure: each flow's packets are spaced by their length, and those too far in the future are dropped. */
#include "headers.h"

#define NS_PER_BYTE 80
#define HORIZON 200000

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, __u64);
} departures SEC(".maps");

SEC("tc")
int tc_pace(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u64 now = skb->tstamp, delay = (__u64)skb->wire_len * NS_PER_BYTE, *last, next;

	if (!ip || skb->protocol != bpf_htons(ETH_IP))
		return TC_ACT_OK;
	last = bpf_map_lookup_elem(&departures, &ip->to);
	next = now + delay;
	if (!last) {
		bpf_map_update_elem(&departures, &ip->to, &next, BPF_ANY);
		return TC_ACT_OK;
	}
	next = *last + delay;
	if (next <= now) {
		*last = now;
		return TC_ACT_OK;
	}
	if (next - now >= HORIZON)
		return TC_ACT_SHOT;
	*last = next;
	skb->tstamp = next;
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
