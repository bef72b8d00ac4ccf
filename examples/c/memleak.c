/* What is allocated and not freed, by stacks: examples/memleak.py in C. */
#include "tracer.h"

struct allocation {
	__u64 size;
	__s32 stack;
};

struct total {
	__u64 size, count;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} sizes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct allocation);
} allocations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __s32);
	__type(value, struct total);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 10240);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

SEC("uprobe/c:malloc")
int BPF_KPROBE(asked, __u64 size)
{
	__u32 tid = thread();

	if (is_wanted())
		bpf_map_update_elem(&sizes, &tid, &size, BPF_ANY);
	return 0;
}

SEC("uretprobe/c:malloc")
int BPF_KRETPROBE(given, __u64 address)
{
	struct allocation one = {};
	struct total none = {}, *all;
	__u32 tid = thread();
	__u64 *size = bpf_map_lookup_elem(&sizes, &tid);

	if (!size)
		return 0;
	one.size = *size;
	bpf_map_delete_elem(&sizes, &tid);
	if (!address)
		return 0;
	one.stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	bpf_map_update_elem(&allocations, &address, &one, BPF_ANY);
	bpf_map_update_elem(&totals, &one.stack, &none, BPF_NOEXIST);
	all = bpf_map_lookup_elem(&totals, &one.stack);
	if (all) {
		__sync_fetch_and_add(&all->size, one.size);
		__sync_fetch_and_add(&all->count, 1);
	}
	return 0;
}

SEC("uprobe/c:free")
int BPF_KPROBE(freed, __u64 address)
{
	struct allocation *found = bpf_map_lookup_elem(&allocations, &address), one;
	struct total *all;

	if (!found)
		return 0;
	one = *found;
	bpf_map_delete_elem(&allocations, &address);
	all = bpf_map_lookup_elem(&totals, &one.stack);
	if (all) {
		__sync_fetch_and_add(&all->size, -one.size);
		__sync_fetch_and_add(&all->count, -1);
	}
	return 0;
}
