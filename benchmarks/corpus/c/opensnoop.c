/* What files are opened, by whom, with what result. */
#include "kernel.h"

struct open {
	const char *fname;
	s32 flags;
	u32 unused;
};

struct event {
	u64 ts;
	u32 pid, uid;
	s32 ret, flags;
	char comm[16], path[255];
};

MAP(inflight, HASH, u32, struct open, 10240);
struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

INLINE int enter(const char *fname, int flags)
{
	struct open open = {fname, flags, 0};
	u32 tid = get_current_pid_tgid();

	map_update(&inflight, &tid, &open, ANY);
	return 0;
}

INLINE int leave(s64 ret)
{
	u32 tid = get_current_pid_tgid();
	struct open *open = map_lookup(&inflight, &tid);
	struct event *event;

	if (!open)
		return 0;
	event = ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		event->ts = ktime_get_ns();
		event->pid = pid();
		event->uid = get_current_uid_gid();
		event->ret = ret;
		event->flags = open->flags;
		get_current_comm(event->comm, sizeof(event->comm));
		probe_read_user_str(event->path, sizeof(event->path), open->fname);
		ringbuf_submit(event, 0);
	}
	map_delete(&inflight, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_open")
int sys_open(struct sys_enter *ctx)
{
	return enter((const char *)ctx->args[0], ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int sys_openat(struct sys_enter *ctx)
{
	return enter((const char *)ctx->args[1], ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_open")
int sys_open_exit(struct sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int sys_openat_exit(struct sys_exit *ctx)
{
	return leave(ctx->ret);
}

LICENSE;
