/* Against floods of connection attempts: a source may open so many, then it is put on a list and dropped. */
#include "headers.h"

#define MOST 3

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __be32);
	__type(value, __u32);
} attempts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, __u64);
} banned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

INLINE void count(__u32 what)
{
	__u64 *total = bpf_map_lookup_elem(&totals, &what);

	if (total)
		++*total;
}

SEC("xdp")
int syn_guard(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 *met, first = 1;
	__u64 *ban, zero = 0;
	struct tcp *tcp;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	ban = bpf_map_lookup_elem(&banned, &ip->from);
	if (ban) {
		++*ban;
		count(1);
		return XDP_DROP;
	}
	tcp = ip->protocol == TCP && ip->words == 5 ? HEADER(tcp, ip + 1, end) : 0;
	if (!tcp || (tcp->flags & 0x12) != 2)
		return XDP_PASS;
	count(0);
	met = bpf_map_lookup_elem(&attempts, &ip->from);
	if (!met) {
		bpf_map_update_elem(&attempts, &ip->from, &first, BPF_ANY);
	} else if (++*met > MOST) {
		bpf_map_update_elem(&banned, &ip->from, &zero, BPF_NOEXIST);
		bpf_map_delete_elem(&attempts, &ip->from);
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
