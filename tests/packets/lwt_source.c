/* A route's own source check: what comes in by it with a sender outside its networks is dropped. */
#include "headers.h"

SEC("lwt_in")
int lwt_source(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4 *ip = HEADER(ipv4, data, end);

	if (skb->protocol == bpf_htons(ETH_IP6))
		return BPF_OK;
	if (!ip || ip->version != 4)
		return BPF_DROP;
	if ((ip->from & bpf_htonl(0xffff0000)) == bpf_htonl(0x0A000000) && !(bpf_ntohl(ip->from) >> 8 & 1))
		return BPF_OK;
	return BPF_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
