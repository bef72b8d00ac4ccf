/* Each VLAN is a tenant with a table of its own of addresses, which say whether a packet passes. */
#include "corpus.h"

struct table {
	__uint(type, HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u32);
} red SEC(".maps"), blue SEC(".maps");

struct {
	__uint(type, ARRAY_OF_MAPS);
	__uint(max_entries, 4096);
	__type(key, u32);
	__array(values, struct table);
} tenants SEC(".maps") = {
	.values = {[0] = &blue, [2] = &red, [5] = &blue, [7] = &red},
};
MAP(strangers, HASH, u16, u64, 4096);

SEC("xdp")
int tenants_of(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct vlan *vlan = (void *)(eth + 1);
	struct ipv4 *ip = (void *)(vlan + 1);
	u32 address, number, *verdict;
	void *table;
	u16 id;

	if (!HAS(vlan, type, end) || eth->type != BE16(ETH_VLAN) || vlan->type != BE16(ETH_IP))
		return XDP_PASS;
	id = swap16(vlan->tag) & 0xfff;
	number = id;
	table = map_lookup(&tenants, &number);
	if (!table) {
		count(&strangers, &id, 1);
		return XDP_DROP;
	}
	if (!HAS(ip, dst, end))
		return XDP_PASS;
	address = swap32(ip->dst);
	verdict = map_lookup(table, &address);
	return verdict && *verdict ? XDP_PASS : XDP_DROP;
}

LICENSE;
