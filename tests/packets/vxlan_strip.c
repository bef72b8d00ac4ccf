/* A VXLAN tunnel's end: known networks are unpacked and counted by CPU, unknown ones dropped. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} networks SEC(".maps");

SEC("xdp")
int vxlan_strip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct udp *udp;
	struct vxlan *vxlan;
	__u64 *count;
	__u32 number;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != UDP)
		return XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp || udp->to != bpf_htons(4789))
		return XDP_PASS;
	vxlan = HEADER(vxlan, udp + 1, end);
	if (!vxlan || !(vxlan->flags & bpf_htonl(0x08000000)) || !HEADER(eth, vxlan + 1, end))
		return XDP_DROP;
	number = bpf_ntohl(vxlan->number) >> 8;
	count = bpf_map_lookup_elem(&networks, &number);
	if (!count)
		return XDP_DROP;
	++*count;
	return bpf_xdp_adjust_head(ctx, (void *)(vxlan + 1) - data) ? XDP_ABORTED : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
