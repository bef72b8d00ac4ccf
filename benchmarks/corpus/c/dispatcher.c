/* A tail call by protocol: each has a program of its own that counts its ports or types. */
#include "corpus.h"

MAP(ports, HASH, u32, u64, 4096);
MAP(missed, ARRAY, u32, u64, 256);

struct {
	__uint(type, PROG_ARRAY);
	__uint(max_entries, 32);
	__uint(key_size, 4);
	__array(values, int(struct xdp_md *));
} stages SEC(".maps");

SEC("xdp")
int dispatcher(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 proto;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	proto = ip->proto;
	tail_call(ctx, &stages, proto);
	add(&missed, proto, 1);
	return XDP_PASS;
}

SEC("xdp")
int tcp_stage(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct tcp *tcp;
	u32 port;

	if (!HAS(ip, ttl, end))
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, dport, end))
		return XDP_PASS;
	port = TCP << 16 | swap16(tcp->dport);
	count(&ports, &port, 1);
	return XDP_PASS;
}

SEC("xdp")
int udp_stage(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct udp *udp;
	u32 port;

	if (!HAS(ip, ttl, end))
		return XDP_PASS;
	udp = behind(ip);
	if (!HAS(udp, dport, end))
		return XDP_PASS;
	port = UDP << 16 | swap16(udp->dport);
	count(&ports, &port, 1);
	return udp->dport == BE16(19) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int icmp_stage(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct icmp *icmp;
	u32 type;

	if (!HAS(ip, ttl, end))
		return XDP_PASS;
	icmp = behind(ip);
	if (!HAS(icmp, type, end))
		return XDP_PASS;
	type = ICMP << 16 | icmp->type;
	count(&ports, &type, 1);
	return icmp->type == 5 ? XDP_DROP : XDP_PASS;
}

LICENSE;
