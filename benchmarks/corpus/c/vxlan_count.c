/* Packets and bytes of each network of VXLAN (RFC 7348); a header without the I flag is dropped. */
#include "corpus.h"

struct vxlan {
	u8 flags, reserved[3];
	be32 number; /* 24 bits, and 8 that are reserved */
};

struct usage {
	u64 packets, bytes;
};

MAP(networks, HASH, u32, struct usage, 1024);

SEC("xdp")
int vxlan_count(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct usage *usage, fresh = {1, end - data};
	struct vxlan *vxlan;
	struct udp *udp;
	u32 number;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != UDP)
		return XDP_PASS;
	udp = behind(ip);
	if (!HAS(udp, dport, end) || udp->dport != BE16(4789))
		return XDP_PASS;
	vxlan = (void *)(udp + 1);
	if (!HAS(vxlan, number, end))
		return XDP_PASS;
	if (!(vxlan->flags & 8))
		return XDP_DROP;
	number = swap32(vxlan->number) >> 8;
	usage = map_lookup(&networks, &number);
	if (usage) {
		__sync_fetch_and_add(&usage->packets, 1);
		__sync_fetch_and_add(&usage->bytes, end - data);
	} else {
		map_update(&networks, &number, &fresh, NOEXIST);
	}
	return XDP_PASS;
}

LICENSE;
