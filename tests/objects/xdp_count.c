// Counts packets by the IPv4 protocol byte at offset 23, whatever their ethertype says.
// A packet that ends before that byte passes uncounted.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 256);
} hits SEC(".maps");

SEC("xdp")
int count(struct xdp_md *ctx)
{
	unsigned char *data = (unsigned char *)(long)ctx->data;
	unsigned char *end = (unsigned char *)(long)ctx->data_end;

	if (data + 24 > end)
		return XDP_PASS;

	__u32 proto = data[23];
	__u64 *value = bpf_map_lookup_elem(&hits, &proto);

	if (value)
		__sync_fetch_and_add(value, 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
