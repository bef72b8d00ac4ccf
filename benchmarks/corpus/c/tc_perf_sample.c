/* TCP segments that open, close or reset a connection become records of a perf buffer. */
#include "corpus.h"

struct change {
	be32 src, dst;
	be16 sport, dport;
	u32 flags, length;
};

MAP(changes, PERF_EVENT_ARRAY, u32, u32, 0);

SEC("tc")
int tc_perf_sample(struct __sk_buff *skb)
{
	PACKET(skb);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct change change = {};
	struct tcp *tcp;

	if (!HAS(eth, type, end))
		return TC_ACT_UNSPEC;
	if (eth->type != BE16(ETH_IP))
		return TC_ACT_OK;
	if (!HAS(ip, proto, end))
		return TC_ACT_UNSPEC;
	if (ip->proto != TCP)
		return TC_ACT_OK;
	tcp = behind(ip);
	if (!HAS(tcp, flags, end))
		return TC_ACT_UNSPEC;
	if (!(tcp->flags & (SYN | FIN | RST)))
		return TC_ACT_OK;
	if (!HAS(ip, dst, end))
		return TC_ACT_UNSPEC;
	change.src = ip->src;
	change.dst = ip->dst;
	change.sport = tcp->sport;
	change.dport = tcp->dport;
	change.flags = tcp->flags;
	change.length = skb->len;
	perf_event_output(skb, &changes, CURRENT_CPU, &change, sizeof(change));
	return TC_ACT_OK;
}

LICENSE;
