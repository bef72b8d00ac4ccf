/* What a control group may not send: TCP and UDP to listed ports. Its bytes are counted by protocol. */
#include "corpus.h"

MAP(denied, HASH, u32, u64, 256);
MAP(volume, PERCPU_ARRAY, u32, u64, 256);

SEC("cgroup_skb/egress")
int egress_ports(struct __sk_buff *skb)
{
	PACKET(skb);
	struct ipv4 *ip = data;
	struct udp *udp;
	u64 *total, *hits;
	u32 proto, port;

	if ((void *)(data + 1) > end || ip->ver != 4)
		return 1;
	if (!HAS(ip, proto, end))
		return 1;
	proto = ip->proto;
	total = map_lookup(&volume, &proto);
	if (total)
		*total += skb->len;
	if (proto != TCP && proto != UDP)
		return 1;
	udp = behind(ip);
	if (!HAS(udp, dport, end))
		return 1;
	port = proto << 16 | swap16(udp->dport);
	hits = map_lookup(&denied, &port);
	if (!hits)
		return 1;
	__sync_fetch_and_add(hits, 1);
	return 0;
}

LICENSE;
