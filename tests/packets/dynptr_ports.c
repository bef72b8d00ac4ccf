/* Ports by protocol with dynptrs: headers as slices, IPv6's extension headers in a loop of bpf_iter_num. */
#include "headers.h"

struct bpf_iter_num {
	__u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_dynptr_from_xdp(struct xdp_md *x, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, __u32 start, __u32 end) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone) __ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

struct key {
	__u16 port, protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} facts SEC(".maps");

INLINE void fact(__u32 which, __u64 value)
{
	__u64 *sum = bpf_map_lookup_elem(&facts, &which);

	if (sum)
		*sum = *sum * 31 + value;
}

/* Where the header behind IPv6's extension headers begins, and which it is. */
INLINE __u32 behind(const struct bpf_dynptr *packet, __u32 at, __u8 *next)
{
	struct extension copy, *one;
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 6);
	while (bpf_iter_num_next(&it)) {
		if (*next != 0 && *next != 43 && *next != 60)
			break;
		one = bpf_dynptr_slice(packet, at, &copy, sizeof(copy));
		if (!one)
			break;
		*next = one->next;
		at += (one->size + 1) * 8;
	}
	bpf_iter_num_destroy(&it);
	return at;
}

INLINE int count(struct bpf_dynptr *packet, struct bpf_dynptr *rest, __u32 at, __u8 protocol)
{
	struct key key = { .protocol = protocol };
	__be16 copy[2], *pair;
	__u64 one = 1, *known;

	if (bpf_dynptr_clone(packet, rest) || bpf_dynptr_adjust(rest, at, bpf_dynptr_size(packet)))
		return XDP_DROP;
	fact(1, bpf_dynptr_size(rest));
	if (protocol != TCP && protocol != UDP)
		return XDP_PASS;
	pair = bpf_dynptr_slice(rest, 0, copy, sizeof(copy));
	if (!pair)
		return XDP_DROP;
	key.port = bpf_ntohs(pair[1]);
	known = bpf_map_lookup_elem(&ports, &key);
	if (known)
		*known += 1;
	else
		bpf_map_update_elem(&ports, &key, &one, BPF_NOEXIST);
	return XDP_PASS;
}

SEC("xdp.frags")
int dynptr_ports(struct xdp_md *ctx)
{
	struct bpf_dynptr packet, rest;
	__u8 copy[40], last[8], *tail, *eth, *ip, next;
	int verdict = XDP_PASS;
	__u32 at = 14;
	__u16 type;

	if (bpf_dynptr_from_xdp(ctx, 0, &packet))
		return XDP_ABORTED;
	fact(0, bpf_dynptr_size(&packet));
	eth = bpf_dynptr_slice_rdwr(&packet, 0, copy, 14);
	if (!eth)
		return XDP_ABORTED;
	type = eth[12] << 8 | eth[13];
	if (type == ETH_IP) {
		ip = bpf_dynptr_slice(&packet, at, copy, 20);
		if (!ip)
			return XDP_DROP;
		at += (ip[0] & 15) * 4;
		verdict = count(&packet, &rest, at, ip[9]);
	} else if (type == ETH_IP6) {
		ip = bpf_dynptr_slice(&packet, at, copy, 40);
		if (!ip)
			return XDP_DROP;
		next = ip[6];
		at = behind(&packet, at + 40, &next);
		verdict = count(&packet, &rest, at, next);
	}
	/* the last bytes, which may lie in frags or across their border, read and written, in place or copied */
	at = bpf_dynptr_size(&packet);
	if (at >= 22 && (tail = bpf_dynptr_slice_rdwr(&packet, at - 8, last, 8))) {
		fact(2, *(__u64 *)tail);
		tail[0] ^= 0x55;
		if (tail == last)
			bpf_dynptr_write(&packet, at - 8, last, 8, 0);
	}
	fact(3, bpf_dynptr_read(last, 8, &packet, at - 4, 0));
	fact(4, bpf_dynptr_data(&packet, 0, 8) != 0);
	return verdict;
}

char _license[] SEC("license") = "Dual MIT/GPL";
