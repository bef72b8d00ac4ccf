/* What AF_XDP programs begin with: packets of chosen ports go to the queue's socket, and up the stack where none listens.
 * Each way is told in the trace, with the numbers that somebody who looks for a lost packet wants to see. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} ways SEC(".maps");

INLINE void counted(__u32 way)
{
	__u64 *count = bpf_map_lookup_elem(&ways, &way);

	if (count)
		++*count;
}

SEC("xdp")
int socket_queues(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct udp *udp = ip ? HEADER(udp, ip + 1, end) : 0;
	__u32 queue = ctx->rx_queue_index;

	if (!udp || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != UDP)
		return XDP_PASS;
	if (bpf_map_lookup_elem(&sockets, &queue)) {
		counted(0);
		return bpf_redirect_map(&sockets, queue, XDP_DROP);
	}
	if (udp->to == bpf_htons(53)) { /* what the flags say is done where there is no socket */
		counted(1);
		bpf_printk("no socket at %d:%u for %pI4", ctx->ingress_ifindex, queue, &ip->from);
		return bpf_redirect_map(&sockets, queue, XDP_PASS);
	}
	if (bpf_ntohs(udp->to) < 0x8000) {
		counted(2);
		bpf_printk("port %u, %x bytes: dropped", bpf_ntohs(udp->to), end - data);
		return bpf_redirect_map(&sockets, queue + 9, XDP_DROP);
	}
	counted(3);
	return bpf_redirect_map(&sockets, 1, XDP_TX);
}

char _license[] SEC("license") = "Dual MIT/GPL";
