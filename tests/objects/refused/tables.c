// Tables of functions for the kernel (struct_ops): congestion control, plain and by a link, and one of the kernel's own
// tests. They are read and loaded, and no file is written of them.
#include "../bpf.h"

struct sock;
struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
};

struct bpf_dummy_ops_state;
struct bpf_dummy_ops {
	int (*test_1)(struct bpf_dummy_ops_state *state);
	int (*test_2)(struct bpf_dummy_ops_state *state, int a1, u16 a2, char a3, unsigned long a4);
};

u64 avoided;

IN("struct_ops/ssthresh") u32 ssthresh(u64 *ctx)
{
	return 10;
}

IN("struct_ops/cong_avoid") void cong_avoid(u64 *ctx)
{
	avoided++;
}

IN("struct_ops/undo_cwnd") u32 undo_cwnd(u64 *ctx)
{
	return 10;
}

IN("struct_ops/test_1") int first(u64 *ctx)
{
	return 7;
}

IN("struct_ops/test_2") int second(u64 *ctx)
{
	return ctx[1] + ctx[2] + ctx[3] + ctx[4];
}

struct tcp_congestion_ops plain IN(".struct_ops") = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
	.name = "bpfvm_plain",
};

struct bpf_dummy_ops dummy IN(".struct_ops") = { .test_1 = (void *)first, .test_2 = (void *)second };

struct tcp_congestion_ops linked IN(".struct_ops.link") = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
	.name = "bpfvm_linked",
};

char _license[] IN("license") = "GPL";
