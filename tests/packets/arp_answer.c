/* Answers ARP requests for addresses of a table in place of their owners (proxy ARP); others go on. */
#include "headers.h"

struct mac {
	__u8 bytes[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, __be32);
	__type(value, struct mac);
} owners SEC(".maps");

SEC("xdp")
int arp_answer(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct arp *arp = eth ? HEADER(arp, eth + 1, end) : 0;
	struct mac *owner;
	__be32 asked;

	if (!arp || eth->type != bpf_htons(ETH_ARP) || arp->operation != bpf_htons(1) || arp->hardware_size != 6)
		return XDP_PASS;
	asked = arp->to_ip;
	owner = bpf_map_lookup_elem(&owners, &asked);
	if (!owner)
		return XDP_PASS;
	__builtin_memcpy(eth->to, eth->from, 6);
	__builtin_memcpy(eth->from, owner->bytes, 6);
	arp->operation = bpf_htons(2);
	__builtin_memcpy(arp->to, arp->from, 6);
	__builtin_memcpy(arp->from, owner->bytes, 6);
	arp->to_ip = arp->from_ip;
	arp->from_ip = asked;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
