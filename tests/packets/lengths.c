/* A histogram of packet lengths by powers of two, with frags allowed: what monitoring counts first. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 17);
	__type(key, __u32);
	__type(value, __u64);
} lengths SEC(".maps");

SEC("xdp.frags")
int lengths_of(struct xdp_md *ctx)
{
	__u64 length = bpf_xdp_get_buff_len(ctx), *count;
	__u32 slot = 0;
	__u8 last = 0;

	for (int bit = 0; bit < 16; bit++)
		slot += length >> bit ? 1 : 0;
	count = bpf_map_lookup_elem(&lengths, &slot);
	if (count)
		__sync_fetch_and_add(count, 1);
	if (length && bpf_xdp_load_bytes(ctx, length - 1, &last, 1))
		return XDP_ABORTED;
	return last & 1 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
