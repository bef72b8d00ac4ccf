/* A policy for each device: a hash of maps by ifindex leads to the device's own table of ports, an array to its defaults. */
#include "headers.h"

struct ports {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u16);
	__type(value, __u32);
};

struct ports outer_ports SEC(".maps"), inner_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, __u32);
	__array(values, struct ports);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct ports);
} classes SEC(".maps") = {
	.values = {[1] = &outer_ports, [3] = &inner_ports},
};

SEC("tc")
int skb_policy(struct __sk_buff *skb)
{
	__u32 device = skb->ifindex + skb->ingress_ifindex, class = skb->mark & 3, *verdict;
	__be16 target;
	__u16 port;
	void *ports;

	if (bpf_skb_load_bytes(skb, sizeof(struct eth) + sizeof(struct ipv4) + 2, &target, 2))
		return TC_ACT_SHOT;
	port = bpf_ntohs(target);
	ports = bpf_map_lookup_elem(&devices, &device);
	if (!ports)
		ports = bpf_map_lookup_elem(&classes, &class);
	if (!ports)
		return TC_ACT_UNSPEC;
	verdict = bpf_map_lookup_elem(ports, &port);
	if (verdict) {
		__sync_fetch_and_add(verdict, 0x100);
		return *verdict & 0xff;
	}
	class = TC_ACT_PIPE;
	return bpf_map_update_elem(ports, &port, &class, BPF_NOEXIST) ? TC_ACT_STOLEN : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
