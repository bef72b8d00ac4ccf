/* What is executed, with its arguments, a record for each of them. */
#include "kernel.h"

enum { MOST = 20, ARG = 0, RET = 1 };

struct event {
	u32 kind, pid, ppid, uid;
	s32 ret;
	char comm[16], arg[128];
};

struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

INLINE struct event *begin(u32 kind, s32 ret)
{
	struct event *event = ringbuf_reserve(&events, sizeof(*event), 0);
	struct task_struct *task = get_current_task_btf();

	if (!event)
		return NULL;
	event->kind = kind;
	event->pid = pid();
	event->ppid = task->real_parent->tgid;
	event->uid = get_current_uid_gid();
	event->ret = ret;
	get_current_comm(event->comm, sizeof(event->comm));
	return event;
}

INLINE void send(const char *arg)
{
	struct event *event = begin(ARG, 0);

	if (!event)
		return;
	probe_read_user_str(event->arg, sizeof(event->arg), arg);
	ringbuf_submit(event, 0);
}

SEC("tracepoint/syscalls/sys_enter_execve")
int enter(struct sys_enter *ctx)
{
	const char **argv = (const char **)ctx->args[1];
	struct event *event;

	send((const char *)ctx->args[0]);
	for (int at = 1; at < MOST; at++) {
		const char *arg = NULL;

		probe_read_user(&arg, sizeof(arg), &argv[at]);
		if (!arg)
			return 0;
		send(arg);
	}
	event = begin(ARG, 0);
	if (event) {
		__builtin_memcpy(event->arg, "...", 4);
		ringbuf_submit(event, 0);
	}
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_execve")
int leave(struct sys_exit *ctx)
{
	struct event *event = begin(RET, ctx->ret);

	if (event) {
		event->arg[0] = 0;
		ringbuf_submit(event, 0);
	}
	return 0;
}

LICENSE;
