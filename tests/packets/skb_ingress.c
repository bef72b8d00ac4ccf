/* What comes in to the processes of a cgroup: ports of an array of ranges, counters of each CPU by rule. */
#include "headers.h"

#define RULES 8

struct rule {
	__u16 first, last;
	__u32 protocol, allowed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULES);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RULES + 1);
	__type(key, __u32);
	__type(value, __u64[2]);
} hits SEC(".maps");

INLINE int counted(__u32 rule, __u32 length, int verdict)
{
	__u64 *hit = bpf_map_lookup_elem(&hits, &rule);

	if (hit) {
		hit[0]++;
		hit[1] += length;
	}
	return verdict;
}

SEC("cgroup_skb/ingress")
int skb_ingress(struct __sk_buff *skb)
{
	__u32 at = 40, protocol, number;
	struct rule *rule;
	__u8 head[10];
	__be16 port;

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
		return 0;
	protocol = head[6];
	if (head[0] >> 4 == 4) {
		at = (head[0] & 15) * 4;
		protocol = head[9];
	}
	if (bpf_skb_load_bytes(skb, at + 2, &port, 2))
		return counted(RULES, skb->len, 0);
	port = bpf_ntohs(port);
	for (number = 0; number < RULES; number++) {
		__u32 key = number;

		rule = bpf_map_lookup_elem(&rules, &key);
		if (rule && rule->protocol == protocol && rule->first <= port && port <= rule->last)
			return counted(number, skb->len, !!rule->allowed);
	}
	return counted(RULES, skb->len, 1);
}

char _license[] SEC("license") = "Dual MIT/GPL";
