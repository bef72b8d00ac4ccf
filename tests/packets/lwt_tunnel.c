/* A tunnel as a route: lwt_push_encap puts an IPv4 header before the packet, change_head a link header before that. */
#include "headers.h"

SEC("lwt_xmit")
int lwt_tunnel(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4 *ip = HEADER(ipv4, data, end), outer = {};

	if (!ip || skb->protocol != bpf_htons(ETH_IP))
		return BPF_OK;
	skb->mark = ip->protocol;
	if (ip->protocol == ICMP) {
		if (bpf_skb_change_head(skb, sizeof(struct eth), 0))
			return BPF_DROP;
		return bpf_redirect(1, 0);
	}
	outer.version = 4;
	outer.words = 5;
	outer.length = bpf_htons(skb->len + sizeof(outer));
	outer.ttl = 64;
	outer.protocol = IPIP;
	outer.from = bpf_htonl(0x0A00000A);
	outer.to = bpf_htonl(0x0A00000B);
	outer.sum = header_sum(&outer);
	if (bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, &outer, sizeof(outer)))
		return BPF_DROP;
	return BPF_LWT_REROUTE;
}

char _license[] SEC("license") = "Dual MIT/GPL";
