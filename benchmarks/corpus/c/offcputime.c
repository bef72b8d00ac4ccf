/* Time that tasks spend off the CPU, by their stacks. */
#include "kernel.h"

struct key {
	u32 pid;
	s32 user, kernel;
	char name[16];
};

MAP(start, HASH, u32, u64, 10240);
MAP(counts, HASH, struct key, u64, 10240);
struct {
	__uint(type, STACK_TRACE);
	__uint(max_entries, 1024);
	__uint(key_size, 4);
	__uint(value_size, 127 * 8);
} stacks SEC(".maps");

SEC("kprobe/finish_task_switch*")
int oncpu(struct pt_regs *ctx)
{
	struct task_struct *previous = (void *)ctx->di;
	u64 now = ktime_get_ns(), *since, spent;
	struct key key = {};
	u32 id = 0;

	probe_read_kernel(&id, sizeof(id), &previous->pid);
	map_update(&start, &id, &now, ANY);
	id = get_current_pid_tgid();
	since = map_lookup(&start, &id);
	if (!since)
		return 0;
	spent = (ktime_get_ns() - *since) / 1000;
	map_delete(&start, &id);
	if (spent < 1)
		return 0;
	key.pid = id;
	key.user = get_stackid(ctx, &stacks, USER_STACK);
	key.kernel = get_stackid(ctx, &stacks, 0);
	get_current_comm(key.name, sizeof(key.name));
	count(&counts, &key, spent);
	return 0;
}

LICENSE;
