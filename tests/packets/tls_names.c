/* TLS by name: the server name of a ClientHello (RFC 6066), found behind lists of varying length, decides. */
#include "headers.h"

#define LONGEST 32

struct name {
	__u8 text[LONGEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct name);
	__type(value, __u32);
} verdicts SEC(".maps");

/* The number of `size` bytes at an offset, in network order; -1 where the packet ends before. */
static __noinline long number(struct xdp_md *ctx, __u32 at, __u32 size)
{
	__u8 bytes[2] = {};

	if (at > 2000)
		return -1;
	if (bpf_xdp_load_bytes(ctx, at, bytes, size == 2 ? 2 : 1))
		return -1;
	return size == 2 ? bytes[0] << 8 | bytes[1] : bytes[0];
}

SEC("xdp")
int tls_names(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct name key = {};
	long size, kind;
	struct tcp *tcp;
	__u32 at, *verdict;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp || tcp->to != bpf_htons(443))
		return XDP_PASS;
	at = sizeof(*eth) + sizeof(*ip) + tcp->words * 4;
	if (number(ctx, at, 1) != 22 || number(ctx, at + 5, 1) != 1)
		return XDP_PASS;
	at += 5 + 4 + 2 + 32; /* record, handshake, version, random */
	size = number(ctx, at, 1);
	if (size < 0)
		return XDP_DROP;
	at += 1 + size;
	size = number(ctx, at, 2);
	if (size < 0)
		return XDP_DROP;
	at += 2 + size;
	size = number(ctx, at, 1);
	if (size < 0)
		return XDP_DROP;
	at += 1 + size + 2;
	for (int extension = 0; extension < 8; extension++) {
		kind = number(ctx, at, 2);
		size = number(ctx, at + 2, 2);
		if (kind < 0 || size < 0)
			return XDP_PASS;
		if (kind == 0) {
			size = number(ctx, at + 7, 2);
			if (size < 1 || size > LONGEST || at > 2000)
				return XDP_DROP;
			if (bpf_xdp_load_bytes(ctx, at + 9, key.text, size))
				return XDP_DROP;
			verdict = bpf_map_lookup_elem(&verdicts, &key);
			return verdict ? *verdict : XDP_PASS;
		}
		at += 4 + size;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
