/* Classes and marks for a queueing discipline: DSCP and size choose classid, mark, priority and queue of the packet. */
#include "headers.h"

struct class {
	__u32 mark, priority, classid;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct class);
} classes SEC(".maps");

SEC("tc")
int tc_class(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct class *class;
	__u32 key;

	if (!ip || skb->protocol != bpf_htons(ETH_IP))
		return TC_ACT_UNSPEC;
	key = ip->tos >> 2;
	class = bpf_map_lookup_elem(&classes, &key);
	if (!class)
		return TC_ACT_SHOT;
	skb->mark = class->mark ?: skb->mark ^ key;
	skb->priority = class->priority + skb->len / 256;
	skb->tc_classid = class->classid;
	skb->tc_index = key;
	skb->queue_mapping = key & 3;
	return skb->tc_classid == class->classid && class->classid ? TC_ACT_OK : TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
