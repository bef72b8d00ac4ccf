/* What a control group may receive: 20000 bytes of each source, of IPv4 and IPv6. */
#include "corpus.h"

enum { QUOTA = 20000 };

struct source {
	u8 address[16];
};

MAP(received, LRU_HASH, struct source, u64, 4096);

SEC("cgroup_skb/ingress")
int ingress_quota(struct __sk_buff *skb)
{
	PACKET(skb);
	struct ipv4 *ip = data;
	struct ipv6 *ip6 = data;
	struct source source = {};
	u64 *bytes, size = skb->len;

	if (data + 1 > end)
		return 1;
	if (ip->ver == 4) {
		if (!HAS(ip, src, end))
			return 1;
		__builtin_memcpy(source.address, &ip->src, 4);
	} else if (ip->ver == 6) {
		if (!HAS(ip6, src, end))
			return 1;
		__builtin_memcpy(source.address, ip6->src, 16);
	} else {
		return 1;
	}
	bytes = map_lookup(&received, &source);
	if (!bytes) {
		map_update(&received, &source, &size, ANY);
		return 1;
	}
	if (*bytes > QUOTA)
		return 0;
	__sync_fetch_and_add(bytes, size);
	return 1;
}

LICENSE;
