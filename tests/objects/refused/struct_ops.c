// A table of functions for the kernel (struct_ops): a variable whose members are programs.
#include "../bpf.h"

struct tcp_congestion_ops { void (*cwnd_event)(void *sock, u32 event); char name[16]; };

IN("struct_ops/cwnd_event") void cwnd_event(u64 *ctx)
{
}

struct tcp_congestion_ops table IN(".struct_ops") = { .cwnd_event = (void *)cwnd_event, .name = "bpf_table" };

char _license[] IN("license") = "GPL";
