/* An skb by dynptrs: source and target of UDP exchanged, the MAC header kept in a map, bytes set and copied. */
#include "headers.h"

extern int bpf_dynptr_from_skb(struct __sk_buff *s, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, __u32 start, __u32 end) __ksym;
extern _Bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern int bpf_dynptr_copy(struct bpf_dynptr *to, __u32 to_offset, struct bpf_dynptr *from, __u32 offset,
			   __u32 size) __ksym;
extern int bpf_dynptr_memset(struct bpf_dynptr *p, __u32 offset, __u32 size, __u8 value) __ksym;

struct head {
	__u8 bytes[32];
	__s64 copied, set;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct head);
} heads SEC(".maps");

SEC("tc")
int dynptr_rewrite(struct __sk_buff *skb)
{
	struct bpf_dynptr packet, kept;
	__u32 first = 0, protocol;
	struct head *head = bpf_map_lookup_elem(&heads, &first);
	struct udp copy, *udp;
	__u8 bytes[20], *ip;
	__be16 port;

	if (!head || bpf_dynptr_from_skb(skb, 0, &packet) || bpf_dynptr_from_mem(head->bytes, 32, 0, &kept))
		return TC_ACT_SHOT;
	head->copied = bpf_dynptr_copy(&kept, 0, &packet, 0, 32);
	if (skb->protocol != bpf_htons(ETH_IP))
		return bpf_dynptr_is_rdonly(&packet) ? TC_ACT_SHOT : TC_ACT_OK;
	ip = bpf_dynptr_slice(&packet, 14, bytes, 20);
	if (!ip)
		return TC_ACT_STOLEN;
	protocol = ip[9];
	if (bpf_dynptr_adjust(&packet, 14 + (ip[0] & 15) * 4, bpf_dynptr_size(&packet)))
		return TC_ACT_PIPE;
	if (protocol == ICMP) {
		head->set = bpf_dynptr_memset(&packet, 8, 8, 0x2a);
		return head->set ? TC_ACT_STOLEN : TC_ACT_UNSPEC;
	}
	if (protocol != UDP)
		return TC_ACT_OK;
	udp = bpf_dynptr_slice_rdwr(&packet, 0, &copy, sizeof(copy));
	if (!udp)
		return TC_ACT_STOLEN;
	port = udp->from;
	udp->from = udp->to;
	udp->to = port;
	if (udp == &copy && bpf_dynptr_write(&packet, 0, &copy, sizeof(copy), 0))
		return TC_ACT_SHOT;
	if (bpf_dynptr_write(&packet, 8, "tail", 4, BPF_F_INVALIDATE_HASH))
		return TC_ACT_PIPE;
	return TC_ACT_UNSPEC;
}

/* The same packets where they may only be read. */
SEC("cgroup_skb/ingress")
int dynptr_look(struct __sk_buff *skb)
{
	__u32 second = 1;
	struct head *head = bpf_map_lookup_elem(&heads, &second);
	struct bpf_dynptr packet, kept;
	__u8 bytes[20], *ip;

	if (!head || bpf_dynptr_from_skb(skb, 0, &packet) || bpf_dynptr_from_mem(head->bytes, 32, 0, &kept))
		return 0;
	head->set = head->set * 31 + bpf_dynptr_memset(&packet, 0, 1, 1);
	head->copied = head->copied * 31 + bpf_dynptr_copy(&packet, 0, &kept, 0, 8);
	head->copied = head->copied * 31 + bpf_dynptr_copy(&kept, 0, &packet, 0, 20);
	head->set = head->set * 31 + bpf_dynptr_write(&packet, 0, "x", 1, 0) + bpf_dynptr_is_rdonly(&packet);
	ip = bpf_dynptr_slice(&packet, 0, bytes, 20);
	return ip && ip[9] != UDP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
