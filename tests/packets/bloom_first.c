/* A Bloom filter before a table: only senders that it may have seen cost a look-up; every newcomer is put into both. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_ZERO_SEED);
	__uint(map_extra, 3);
	__type(value, __be32);
} maybe SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __be32);
	__type(value, __u32);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} answers SEC(".maps");

enum { NEW, KNOWN, FALSELY };

SEC("xdp")
int bloom_first(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 answer = NEW, one = 1, *count;
	__be32 sender;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	sender = ip->from;
	if (!bpf_map_peek_elem(&maybe, &sender))
		answer = bpf_map_lookup_elem(&seen, &sender) ? KNOWN : FALSELY;
	if (answer != KNOWN) {
		bpf_map_push_elem(&maybe, &sender, BPF_ANY);
		bpf_map_update_elem(&seen, &sender, &one, BPF_ANY);
	}
	count = bpf_map_lookup_elem(&answers, &answer);
	if (count)
		++*count;
	return answer == KNOWN ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
