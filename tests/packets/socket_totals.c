/* Bytes by protocol at a socket, the kernel's own fields beside those read from the packet. */
#include "headers.h"

struct total {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

SEC("socket")
int socket_totals(struct __sk_buff *skb)
{
	__u32 key = bpf_ntohs(skb->protocol) << 8;
	struct total *total, fresh = {1, skb->len};
	__u8 protocol = 0;

	if (skb->protocol == bpf_htons(ETH_IP) &&
	    bpf_skb_load_bytes(skb, sizeof(struct eth) + 9, &protocol, 1))
		return 0;
	key |= protocol;
	total = bpf_map_lookup_elem(&totals, &key);
	if (!total) {
		bpf_map_update_elem(&totals, &key, &fresh, BPF_ANY);
		return skb->len;
	}
	total->packets++;
	total->bytes += skb->len;
	return skb->pkt_type ? 0 : skb->len / 2;
}

char _license[] SEC("license") = "Dual MIT/GPL";
