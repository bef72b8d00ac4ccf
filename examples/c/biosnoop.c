/* Requests of block devices: examples/biosnoop.py in C. */
#include "tracer.h"

struct gendisk {
	char disk_name[32];
	int major, first_minor;
} kernels;

struct request_queue {
	struct gendisk *disk;
} kernels;

struct request {
	struct request_queue *q;
	__u64 __sector;
	unsigned int cmd_flags;
} kernels;

struct issued {
	__u64 ts;
	__u32 pid;
	char comm[16];
};

struct event {
	__u64 took, sector;
	__u32 bytes, kind, pid;
	char comm[16], disk[32];
};

const volatile __u32 device; /* major << 20 | minor; 0 for all */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct issued);
} issued SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct event *unused __attribute__((unused));

SEC("tp_btf/block_rq_issue")
int BPF_PROG(issue, struct request *rq)
{
	__u64 key = (__u64)rq;
	struct issued one = {};
	struct gendisk *disk = rq->q->disk;

	if (device && (disk->major << 20 | disk->first_minor) != device)
		return 0;
	one.ts = bpf_ktime_get_ns();
	one.pid = process();
	bpf_get_current_comm(one.comm, sizeof(one.comm));
	bpf_map_update_elem(&issued, &key, &one, BPF_ANY);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(complete, struct request *rq, int error, unsigned int bytes)
{
	__u64 key = (__u64)rq;
	struct issued *began = bpf_map_lookup_elem(&issued, &key);
	struct event *e;

	if (!began)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (e) {
		e->took = bpf_ktime_get_ns() - began->ts;
		e->sector = rq->__sector;
		e->bytes = bytes;
		e->kind = rq->cmd_flags & 0xff;
		e->pid = began->pid;
		__builtin_memcpy(e->comm, began->comm, sizeof(e->comm));
		bpf_probe_read_kernel_str(e->disk, sizeof(e->disk), rq->q->disk->disk_name);
		bpf_ringbuf_submit(e, 0);
	}
	bpf_map_delete_elem(&issued, &key);
	return 0;
}
