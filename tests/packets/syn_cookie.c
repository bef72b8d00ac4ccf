/* SYN cookies: a SYN is answered with a hash of its flow as sequence number; an ACK has to bring it back. */
#include "headers.h"

const volatile __u32 secret = 0x5EC2E7;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, __u64);
} proved SEC(".maps");

static __noinline __u32 cookie(__u32 from, __u32 to, __u32 ports, __u32 sequence)
{
	return hashed(hashed(hashed(hashed(secret, from), to), ports), sequence);
}

INLINE __u16 tcp_sum(const struct ipv4 *ip, const struct tcp *tcp)
{
	__u32 sum = (ip->from & 0xffff) + (ip->from >> 16) + (ip->to & 0xffff) + (ip->to >> 16);

	sum += bpf_htons(TCP) + bpf_htons(sizeof(*tcp));
	for (int at = 0; at < 10; at++)
		sum += ((const __u16 *)tcp)[at];
	return folded(sum);
}

SEC("xdp")
int syn_cookie(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 ports, sequence, kept;
	struct tcp *tcp;
	__u64 one = 1, *known;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp)
		return XDP_DROP;
	known = bpf_map_lookup_elem(&proved, &ip->from);
	if (known) {
		++*known;
		return XDP_PASS;
	}
	ports = (__u32)tcp->from << 16 | tcp->to;
	sequence = bpf_ntohl(tcp->sequence);
	if ((tcp->flags & 0x12) == 0x10) {
		if (bpf_ntohl(tcp->acknowledged) - 1 != cookie(ip->from, ip->to, ports, sequence - 1))
			return XDP_DROP;
		bpf_map_update_elem(&proved, &ip->from, &one, BPF_NOEXIST);
		return XDP_PASS;
	}
	if ((tcp->flags & 0x12) != 0x02)
		return XDP_DROP;
	tcp->acknowledged = bpf_htonl(sequence + 1);
	tcp->sequence = bpf_htonl(cookie(ip->from, ip->to, ports, sequence));
	tcp->flags = 0x12;
	tcp->words = 5;
	tcp->from ^= tcp->to;
	tcp->to ^= tcp->from;
	tcp->from ^= tcp->to;
	kept = ip->from;
	ip->from = ip->to;
	ip->to = kept;
	ip->length = bpf_htons(sizeof(*ip) + sizeof(*tcp));
	ip->sum = 0;
	ip->sum = header_sum(ip);
	tcp->sum = 0;
	tcp->sum = tcp_sum(ip, tcp);
	turned(eth);
	kept = (__u32)(end - data) - (sizeof(*eth) + sizeof(*ip) + sizeof(*tcp));
	return bpf_xdp_adjust_tail(ctx, -(int)kept) ? XDP_ABORTED : XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
