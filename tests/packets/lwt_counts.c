/* What leaves by a route, by service class and by size, as accounting wants it; what finds no place any more is dropped. */
#include "headers.h"

struct key {
	__u16 protocol;
	__u8 class, size;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, __u64);
} leaving SEC(".maps");

SEC("lwt_out")
int lwt_counts(struct __sk_buff *skb)
{
	struct key key = {};
	__u64 *count, one = 1;
	__u8 head[2];

	if (bpf_skb_load_bytes(skb, 0, head, 2))
		return BPF_DROP;
	key.protocol = bpf_ntohs(skb->protocol);
	key.class = skb->protocol == bpf_htons(ETH_IP) ? head[1] : head[0] << 4 | head[1] >> 4;
	key.size = skb->len / 64;
	count = bpf_map_lookup_elem(&leaving, &key);
	if (count) {
		++*count;
		return BPF_OK;
	}
	return bpf_map_update_elem(&leaving, &key, &one, BPF_NOEXIST) ? BPF_DROP : BPF_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
