// CO-RE against types that kernels have: fields that stand elsewhere there, flavours, enumerators, existence and sizes.
#include "bpf.h"

#define KERNEL __attribute__((preserve_access_index))

struct mm_struct;
struct task_struct { int pid; int tgid; char comm[16]; struct mm_struct *mm; struct task_struct *group_leader; } KERNEL;
struct task_struct___old { long state; } KERNEL;
enum bpf_map_type { BPF_MAP_TYPE_HASH = 101, BPF_MAP_TYPE_ARRAY = 102, BPF_MAP_TYPE_NONE_SUCH = 103 };

u64 answers[8];

IN("tp_btf/task_newtask") int loaded(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct___old *old = (void *)task;

	answers[0] = task->pid + task->group_leader->tgid + task->comm[3];
	if (__builtin_preserve_field_info(old->state, 2))
		answers[1] = old->state;
	answers[2] = __builtin_preserve_enum_value(*(enum bpf_map_type *)BPF_MAP_TYPE_ARRAY, 1);
	answers[3] = __builtin_preserve_enum_value(*(enum bpf_map_type *)BPF_MAP_TYPE_NONE_SUCH, 0);
	answers[4] = __builtin_preserve_type_info(*(struct task_struct *)0, 1);
	answers[5] = __builtin_btf_type_id(*(struct task_struct *)0, 1);
	answers[6] = __builtin_preserve_field_info(task->comm, 1);
	return 0;
}

char _license[] IN("license") = "GPL";
