/* By which ways a function of the kernel is called: examples/stacksnoop.py in C. */
#include "tracer.h"

struct event {
	__u32 pid, cpu;
	__s32 stack;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16384);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

struct event *unused __attribute__((unused));

SEC("kprobe/submit_bio")
int called(struct pt_regs *ctx)
{
	struct event *e;

	if (!is_wanted())
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	e->pid = process();
	e->cpu = bpf_get_smp_processor_id();
	e->stack = bpf_get_stackid(ctx, &stacks, 0);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
	return 0;
}
