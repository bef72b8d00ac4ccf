/* Memory that was allocated and not freed, by the stack that asked for it. */
#include "kernel.h"

struct alloc {
	u64 size, ts;
	s32 stack;
	u32 unused;
};

struct total {
	u64 size, count;
};

MAP(sizes, HASH, u32, u64, 10240);
MAP(allocs, HASH, u64, struct alloc, 1000000);
MAP(totals, HASH, s32, struct total, 10240);
struct {
	__uint(type, STACK_TRACE);
	__uint(max_entries, 10240);
	__uint(key_size, 4);
	__uint(value_size, 127 * 8);
} stacks SEC(".maps");

SEC("uprobe/c:malloc")
int malloc_enter(struct pt_regs *ctx)
{
	u32 tid = get_current_pid_tgid();
	u64 size = ctx->di;

	map_update(&sizes, &tid, &size, ANY);
	return 0;
}

SEC("uretprobe/c:malloc")
int malloc_exit(struct pt_regs *ctx)
{
	u32 tid = get_current_pid_tgid();
	u64 *found = map_lookup(&sizes, &tid), size, address = ctx->ax;
	struct total *total, none = {};
	struct alloc alloc = {};

	if (!found)
		return 0;
	size = *found;
	map_delete(&sizes, &tid);
	if (!address)
		return 0;
	alloc.size = size;
	alloc.ts = ktime_get_ns();
	alloc.stack = get_stackid(ctx, &stacks, USER_STACK);
	map_update(&allocs, &address, &alloc, ANY);
	total = map_lookup(&totals, &alloc.stack);
	if (!total) {
		map_update(&totals, &alloc.stack, &none, NOEXIST);
		total = map_lookup(&totals, &alloc.stack);
		if (!total)
			return 0;
	}
	__sync_fetch_and_add(&total->size, size);
	__sync_fetch_and_add(&total->count, 1);
	return 0;
}

SEC("uprobe/c:free")
int free_enter(struct pt_regs *ctx)
{
	u64 address = ctx->di, size;
	struct alloc *alloc = map_lookup(&allocs, &address);
	struct total *total;
	s32 stack;

	if (!alloc)
		return 0;
	size = alloc->size;
	stack = alloc->stack;
	map_delete(&allocs, &address);
	total = map_lookup(&totals, &stack);
	if (!total)
		return 0;
	__sync_fetch_and_add(&total->size, -size);
	__sync_fetch_and_add(&total->count, -1);
	return 0;
}

LICENSE;
