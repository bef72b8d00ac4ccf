/* Fragments that come twice are dropped: a bloom filter says that one is new, else an LRU table of those seen decides. */
#include "headers.h"

struct piece {
	__be32 from, to;
	__be16 id, fragment;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__uint(map_flags, BPF_F_ZERO_SEED);
	__uint(map_extra, 3);
	__type(value, struct piece);
} filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, struct piece);
	__type(value, __u32);
} pieces SEC(".maps");

__u64 fresh, doubtful, twice;

SEC("tc")
int skb_once(struct __sk_buff *skb)
{
	__u32 one = 1, *times;
	struct piece piece;
	struct ipv4 ip;

	if (skb->protocol != bpf_htons(ETH_IP) || bpf_skb_load_bytes(skb, sizeof(struct eth), &ip, sizeof(ip)))
		return TC_ACT_UNSPEC;
	if (!(ip.fragment & bpf_htons(0x3fff)))
		return TC_ACT_OK;
	piece = (struct piece){ip.from, ip.to, ip.id, ip.fragment, ip.protocol};
	if (bpf_map_peek_elem(&filter, &piece)) {
		fresh++;
		bpf_map_push_elem(&filter, &piece, BPF_ANY);
	} else {
		doubtful++;
		times = bpf_map_lookup_elem(&pieces, &piece);
		if (times) {
			twice++;
			skb->mark = ++*times;
			return TC_ACT_SHOT;
		}
	}
	bpf_map_update_elem(&pieces, &piece, &one, BPF_ANY);
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
