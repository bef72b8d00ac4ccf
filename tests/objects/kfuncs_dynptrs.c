/* Kernel functions on dynptrs to a map value: another map says what is done, and gets what came of it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, __u32 offset, void *buffer, __u32 size) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, __u32 start, __u32 end) __ksym;
extern _Bool bpf_dynptr_is_null(const struct bpf_dynptr *p) __ksym;
extern _Bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone) __ksym;
extern int bpf_dynptr_copy(struct bpf_dynptr *to, __u32 to_offset, struct bpf_dynptr *from, __u32 offset,
			   __u32 size) __ksym;
extern int bpf_dynptr_memset(struct bpf_dynptr *p, __u32 offset, __u32 size, __u8 value) __ksym;

struct asked {
	__u64 flags, start, end, offset, size, to;
	__s64 results[12];
};

struct block {
	__u8 bytes[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct block);
} blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct asked);
} asks SEC(".maps");

SEC("xdp")
int dynptrs(struct xdp_md *ctx)
{
	struct bpf_dynptr whole, part, other;
	__u32 first = 0, second = 1;
	struct asked *asked = bpf_map_lookup_elem(&asks, &first);
	struct block *one = bpf_map_lookup_elem(&blocks, &first), *two = bpf_map_lookup_elem(&blocks, &second);
	__u64 *word;

	if (!asked || !one || !two)
		return XDP_ABORTED;
	asked->results[0] = bpf_dynptr_from_mem(one, sizeof(*one), asked->flags, &whole);
	bpf_dynptr_from_mem(two, sizeof(*two), 0, &other);
	asked->results[1] = bpf_dynptr_clone(&whole, &part);
	asked->results[2] = bpf_dynptr_adjust(&part, asked->start, asked->end);
	asked->results[3] = bpf_dynptr_size(&part);
	asked->results[4] = bpf_dynptr_is_null(&part) << 1 | bpf_dynptr_is_rdonly(&part);
	word = bpf_dynptr_slice(&part, asked->offset, 0, 8);
	asked->results[5] = word ? *word : -1;
	word = bpf_dynptr_slice_rdwr(&part, asked->offset + 8, 0, 8);
	if (word)
		*word += 0x0101010101010101;
	asked->results[6] = !word;
	asked->results[7] = bpf_dynptr_copy(&other, asked->to, &part, asked->offset, asked->size);
	asked->results[8] = bpf_dynptr_memset(&part, asked->to, asked->size, asked->start);
	asked->results[9] = bpf_dynptr_size(&whole);
	asked->results[10] = bpf_dynptr_copy(&part, 0, &part, asked->offset, asked->size);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
