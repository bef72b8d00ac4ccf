// Much of it in one object: data, maps, externs, calls and CO-RE, in programs of three types.
#include "bpf.h"

struct task_struct { int pid; } __attribute__((preserve_access_index));

EXTERN(".kconfig") u32 CONFIG_HZ;
EXTERN(".ksyms") const void vfs_read;

const volatile u32 wanted = 7;
u64 met[4] = { 1, 2, 3, 4 };
u32 runs;

struct {
	NUMBER(type, RINGBUF);
	NUMBER(max_entries, 1 << 12);
} events IN(".maps");

struct {
	NUMBER(type, HASH);
	NUMBER(max_entries, 64);
	OF(key, u32);
	OF(value, u64);
} by_pid IN(".maps");

static long visit(void *map, u32 *key, u64 *value, u64 *sum)
{
	*sum += *value;
	return *key == wanted;
}

APART int record(u32 pid)
{
	u64 *count = lookup(&by_pid, &pid);
	u64 one = CONFIG_HZ;

	runs++;
	if (count)
		return ++*count;
	return update(&by_pid, &pid, &one, 0);
}

IN("tp_btf/task_newtask") int task(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	return record(task->pid);
}

IN("kprobe/do_nanosleep") int probe(void *ctx)
{
	u64 sum = (u64)&vfs_read;

	for_each(&by_pid, visit, &sum, 0);
	met[runs & 3] = sum;
	return ring_output(&events, &sum, sizeof(sum), 0);
}

IN("xdp") int packet(struct xdp_md *ctx)
{
	trace("length %d", 10, ctx->data_end - ctx->data);
	return record(ctx->rx_queue_index) ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
