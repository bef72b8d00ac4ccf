/* What the tracing programs know of the kernel: the members that they use, whose places are found when they are loaded. */
#ifndef KERNEL_H
#define KERNEL_H
#include "corpus.h"

#define FOUND __attribute__((preserve_access_index))

struct task_struct {
	unsigned int __state;
	int pid, tgid;
	struct task_struct *real_parent;
} FOUND;

struct gendisk {
	int major, first_minor;
} FOUND;

struct request_queue {
	struct gendisk *disk;
} FOUND;

struct request {
	struct request_queue *q;
} FOUND;

struct in6_addr {
	union {
		u8 u6_addr8[16];
	} in6_u;
} FOUND;

struct sock_common {
	be32 skc_daddr, skc_rcv_saddr;
	be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} FOUND;

struct sock {
	struct sock_common __sk_common;
} FOUND;

/* x86-64's registers, as probes get them. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};

/* Records of tracepoints sys_enter_… and sys_exit_…. */
struct sys_enter {
	u64 common;
	u64 number;
	u64 args[6];
};

struct sys_exit {
	u64 common;
	u64 number;
	s64 ret;
};

INLINE u32 pid(void)
{
	return get_current_pid_tgid() >> 32;
}

INLINE u32 log2(u64 number)
{
	u32 bits = 0, shift;

	shift = (number > 0xffffffff) << 5;
	number >>= shift;
	bits |= shift;
	shift = (number > 0xffff) << 4;
	number >>= shift;
	bits |= shift;
	shift = (number > 0xff) << 3;
	number >>= shift;
	bits |= shift;
	shift = (number > 0xf) << 2;
	number >>= shift;
	bits |= shift;
	shift = (number > 3) << 1;
	number >>= shift;
	bits |= shift;
	return bits | number >> 1;
}
#endif
