/* TCP options by bpf_loop: each kind counted, the newest timestamp of each sender kept, a segment with broken options dropped. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} kinds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, __u32);
} stamps SEC(".maps");

struct walk {
	struct xdp_md *ctx;
	__be32 sender;
	__u32 at, end, broken;
};

/* One option; 1 ends the walk. */
static int option(__u32 number, struct walk *walk)
{
	__u8 bytes[10] = {};
	__u32 kind, left = walk->end - walk->at;
	__u64 *count;

	if (walk->at >= walk->end || walk->at > 200 || bpf_xdp_load_bytes(walk->ctx, walk->at, bytes, 1))
		return 1;
	kind = bytes[0];
	if (kind == 0)
		return 1;
	count = bpf_map_lookup_elem(&kinds, &kind);
	if (count)
		++*count;
	if (kind == 1) {
		walk->at++;
		return 0;
	}
	walk->broken = 1;
	if (left < 2 || bpf_xdp_load_bytes(walk->ctx, walk->at, bytes, 2) || bytes[1] < 2 || bytes[1] > left)
		return 1;
	walk->broken = 0;
	if (kind == 8 && bytes[1] == 10 && !bpf_xdp_load_bytes(walk->ctx, walk->at, bytes, 10)) {
		__u32 stamp = bytes[2] << 24 | bytes[3] << 16 | bytes[4] << 8 | bytes[5];

		bpf_map_update_elem(&stamps, &walk->sender, &stamp, BPF_ANY);
	}
	walk->at += bytes[1];
	return 0;
}

SEC("xdp")
int tcp_options(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct walk walk = {ctx};
	struct tcp *tcp;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp || tcp->words < 5)
		return XDP_DROP;
	walk.sender = ip->from;
	walk.at = (void *)(tcp + 1) - data;
	walk.end = walk.at + (tcp->words - 5) * 4;
	bpf_loop(40, option, &walk, 0);
	return walk.broken ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
