/* Checksums by bpf_csum_diff: an address is exchanged, the header's sum follows; sums over buffers of odd contents too. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} results SEC(".maps");

const volatile __be32 replaced = 0x0A00000A;

SEC("xdp")
int sums(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__be32 before[5], after = replaced;
	__u32 slot = 0, *result;
	__s64 sum;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5)
		return XDP_PASS;
	__builtin_memcpy(before, ip, sizeof(before));
	if (folded(bpf_csum_diff(0, 0, before, sizeof(before), 0)))
		return XDP_DROP; /* the header's own sum is wrong */
	sum = bpf_csum_diff(&before[4], 4, &after, 4, (__u16)~ip->sum);
	ip->to = after;
	ip->sum = folded(sum);
	slot = ip->protocol & 3;
	result = bpf_map_lookup_elem(&results, &slot);
	if (result)
		*result = bpf_csum_diff(before, sizeof(before), &after, 4, *result);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
