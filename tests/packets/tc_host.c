/* HTTP by the Host line: the payload is pulled in, its first 200 bytes searched, and the host's name decides. */
#include "headers.h"

#define LONGEST 16

struct name {
	char text[LONGEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct name);
	__type(value, __u32);
} hosts SEC(".maps");

struct search {
	struct __sk_buff *skb;
	__u32 at, found;
};

static int look(__u32 number, struct search *search)
{
	char text[8] = {};

	if (search->at > 1400 || bpf_skb_load_bytes(search->skb, search->at, text, 8))
		return 1;
	if (!bpf_strncmp(text, 7, "\nHost: ")) {
		search->found = search->at + 7;
		return 1;
	}
	search->at++;
	return 0;
}

SEC("tc")
int tc_host(struct __sk_buff *skb)
{
	struct search search = {skb, sizeof(struct eth)};
	struct name name = {};
	__u32 *verdict;
	char one = 0;

	if (skb->protocol != bpf_htons(ETH_IP) || bpf_skb_pull_data(skb, skb->len))
		return TC_ACT_OK;
	bpf_loop(200, look, &search, 0);
	if (!search.found)
		return TC_ACT_PIPE;
	for (int at = 0; at < LONGEST; at++) {
		if (bpf_skb_load_bytes(skb, search.found + at, &one, 1))
			return TC_ACT_STOLEN;
		if (one == '\r' || one == ':')
			break;
		name.text[at] = one;
	}
	verdict = bpf_map_lookup_elem(&hosts, &name);
	return verdict ? *verdict : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
