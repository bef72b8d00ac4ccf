/* How often one task leaves a CPU to another: the kernel half of a tool without a user half, examples/task_switch.py in C. */
#include "tracer.h"

struct task_struct {
	int pid, tgid;
} kernels;

struct pair {
	__u32 prev, next;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct pair);
	__type(value, __u64);
} counts SEC(".maps");

SEC("tp_btf/sched_switch")
int BPF_PROG(switched, int preempt, struct task_struct *prev, struct task_struct *next)
{
	struct pair key = { prev->pid, next->pid };
	__u64 one = 1, *count;

	if (target && prev->tgid != target && next->tgid != target)
		return 0;
	count = bpf_map_lookup_elem(&counts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	return 0;
}
