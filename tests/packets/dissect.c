/* A flow dissector: VLAN tags, IPv4, IPv6 and the ports behind them, as the kernel's hash of flows wants to know them. */
#include "headers.h"

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct bpf_flow_keys *keys = skb->flow_keys;
	__be16 type = keys->n_proto;
	__u32 at = keys->nhoff;
	struct udp *ports;
	__u8 next;

	if (at > 64)
		return BPF_DROP;
	for (int depth = 0; depth < 2; depth++) {
		struct vlan *tag = HEADER(vlan, data + at, end);

		if (type != bpf_htons(ETH_VLAN) && type != bpf_htons(ETH_QINQ))
			break;
		if (!tag)
			return BPF_DROP;
		type = tag->type;
		at += sizeof(*tag);
	}
	keys->n_proto = type;
	keys->nhoff = at;
	if (type == bpf_htons(ETH_IP)) {
		struct ipv4 *ip = HEADER(ipv4, data + at, end);

		if (!ip || ip->words < 5)
			return BPF_DROP;
		keys->addr_proto = ETH_IP;
		keys->ipv4_src = ip->from;
		keys->ipv4_dst = ip->to;
		keys->ip_proto = next = ip->protocol;
		keys->is_frag = !!(ip->fragment & bpf_htons(0x3fff));
		keys->is_first_frag = keys->is_frag && !(ip->fragment & bpf_htons(0x1fff));
		at += ip->words * 4;
		keys->thoff = at;
		if (keys->is_frag && !keys->is_first_frag)
			return BPF_OK;
	} else if (type == bpf_htons(ETH_IP6)) {
		struct ipv6 *ip = HEADER(ipv6, data + at, end);

		if (!ip)
			return BPF_DROP;
		keys->addr_proto = ETH_IP6;
		__builtin_memcpy(keys->ipv6_src, ip->from, 16);
		__builtin_memcpy(keys->ipv6_dst, ip->to, 16);
		keys->flow_label = ip->flow & bpf_htonl(0xfffff);
		keys->ip_proto = next = ip->next;
		at += sizeof(*ip);
		keys->thoff = at;
	} else {
		return BPF_FLOW_DISSECTOR_CONTINUE;
	}
	if (next != TCP && next != UDP)
		return BPF_OK;
	ports = HEADER(udp, data + at, end);
	if (!ports)
		return BPF_DROP;
	keys->sport = ports->from;
	keys->dport = ports->to;
	return BPF_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
