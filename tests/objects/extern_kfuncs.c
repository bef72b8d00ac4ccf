// Kernel functions: called by name, one of them weak and tested for; taken together with variables of .ksyms.
#include "bpf.h"

struct task_struct;

EXTERN(".ksyms") struct task_struct *bpf_task_acquire(struct task_struct *task);
EXTERN(".ksyms") void bpf_task_release(struct task_struct *task);
EXTERN(".ksyms") void bpf_no_such_function(u64 number) WEAK;

IN("tp_btf/task_newtask") int newtask(u64 *ctx)
{
	struct task_struct *task = bpf_task_acquire((struct task_struct *)ctx[0]);

	if (!task)
		return 0;
	if (bpf_no_such_function)
		bpf_no_such_function(7);
	bpf_task_release(task);
	return 0;
}

char _license[] IN("license") = "GPL";
