/* IPv6 extension headers, walked to the transport: source routes (RFC 5095) and chains of more than eight are dropped. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("xdp")
int ext_headers(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *at;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv6 *ip = eth ? HEADER(ipv6, eth + 1, end) : 0;
	__u32 next;

	if (!ip || eth->type != bpf_htons(ETH_IP6))
		return XDP_PASS;
	next = ip->next;
	at = ip + 1;
	for (int depth = 0; depth < 8; depth++) {
		__u64 *count = bpf_map_lookup_elem(&seen, &next);
		struct extension *one = HEADER(extension, at, end);

		if (count)
			++*count;
		if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60)
			return next == 59 ? XDP_DROP : XDP_PASS;
		if (!one || (next == 43 && one->kind == 0))
			return XDP_DROP;
		if (next == 44 && (one->kind || one->left & 0xf8))
			return XDP_PASS; /* a later fragment: no header follows */
		if (next == 44)
			at += 8;
		else
			at += next == 51 ? (one->size + 2) * 4 : (one->size + 1) * 8;
		next = one->next;
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
