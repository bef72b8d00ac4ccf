// Tracers by CO-RE: a task as these sources have it, which lies otherwise in every kernel; read by loads and by a helper.
#include "bpf.h"

struct task_struct {
	char comm[16];
	struct task_struct *real_parent;
	s32 tgid, pid;
	u32 __state;
	u32 in_execve : 1;
} __attribute__((preserve_access_index));

enum { OFFSET, SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT };
#define ASK(field, what) __builtin_preserve_field_info(field, what)

INLINE u32 executes(struct task_struct *task)
{
	const void *at = (const void *)task + ASK(task->in_execve, OFFSET);
	u64 bits = 0;

	switch (ASK(task->in_execve, SIZE)) {
	case 1: bits = *(u8 *)at; break;
	case 2: bits = *(u16 *)at; break;
	case 4: bits = *(u32 *)at; break;
	case 8: bits = *(u64 *)at; break;
	}
	return bits << ASK(task->in_execve, LSHIFT) >> ASK(task->in_execve, RSHIFT);
}

struct note {
	s32 parent;
	u32 state, executes, first;
};

struct {
	NUMBER(type, HASH);
	NUMBER(max_entries, 16);
	OF(key, s32);
	OF(value, struct note);
} notes IN(".maps");

IN("tp_btf/sched_wakeup") int woken(u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct note note = { task->real_parent->tgid, task->__state, executes(task), task->comm[0] };
	s32 pid = task->pid;

	update(&notes, &pid, &note, 0);
	return 0;
}

struct registers { // of x86-64, up to the first argument
	u64 before[14], di;
};

IN("kprobe/finish_task_switch") int left(struct registers *regs)
{
	struct task_struct *task = (struct task_struct *)regs->di, *parent = 0;
	struct note note = {};
	s32 pid = 0;

	read_kernel(&pid, sizeof pid, &task->pid);
	read_kernel(&parent, sizeof parent, &task->real_parent);
	read_kernel(&note.parent, sizeof note.parent, &parent->tgid);
	read_kernel(&note.state, sizeof note.state, &task->__state);
	update(&notes, &pid, &note, 0);
	return 0;
}

char _license[] IN("license") = "GPL";
