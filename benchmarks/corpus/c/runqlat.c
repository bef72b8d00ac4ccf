/* How long tasks wait for a CPU, microseconds by powers of two. */
#include "kernel.h"

MAP(start, HASH, u32, u64, 16384);
MAP(dist, ARRAY, u32, u64, 26);

INLINE int enqueue(struct task_struct *task)
{
	u32 id = task->pid;
	u64 now;

	if (!id)
		return 0;
	now = ktime_get_ns();
	map_update(&start, &id, &now, ANY);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int wakeup(u64 *ctx)
{
	return enqueue((void *)ctx[0]);
}

SEC("tp_btf/sched_wakeup_new")
int wakeup_new(u64 *ctx)
{
	return enqueue((void *)ctx[0]);
}

SEC("tp_btf/sched_switch")
int switched(u64 *ctx)
{
	struct task_struct *previous = (void *)ctx[1], *next = (void *)ctx[2];
	u32 id = next->pid, slot;
	u64 *since, waited;

	if (!previous->__state)
		enqueue(previous);
	since = map_lookup(&start, &id);
	if (!since)
		return 0;
	waited = ktime_get_ns() - *since;
	map_delete(&start, &id);
	slot = log2(waited / 1000);
	if (slot > 25)
		slot = 25;
	add(&dist, slot, 1);
	return 0;
}

LICENSE;
