/* How long tasks do not run, by their stacks: examples/offcputime.py in C. */
#include "tracer.h"

struct task_struct {
	int pid, tgid;
} kernels;

struct where {
	__u32 pid;
	__s32 user, kernel;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct where);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

SEC("kprobe/finish_task_switch*")
int BPF_KPROBE(oncpu, struct task_struct *prev)
{
	__u32 left = BPF_CORE_READ(prev, pid), tid = thread();
	__u64 now = bpf_ktime_get_ns(), *since, *sum, us;
	struct where key = {};

	if (!target || BPF_CORE_READ(prev, tgid) == target)
		bpf_map_update_elem(&start, &left, &now, BPF_ANY);
	since = bpf_map_lookup_elem(&start, &tid);
	if (!since)
		return 0;
	us = (now - *since) / 1000;
	bpf_map_delete_elem(&start, &tid);
	if (!us)
		return 0;
	key.pid = tid;
	key.user = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	key.kernel = bpf_get_stackid(ctx, &stacks, 0);
	bpf_get_current_comm(key.name, sizeof(key.name));
	sum = bpf_map_lookup_elem(&counts, &key);
	if (sum)
		__sync_fetch_and_add(sum, us);
	else
		bpf_map_update_elem(&counts, &key, &us, BPF_ANY);
	return 0;
}
