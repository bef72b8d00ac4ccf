// .maps: storage of tasks and sockets, which has a key of 4 bytes, typed by BTF, and no number of entries.
#include "bpf.h"

#define F_NO_PREALLOC 1

struct {
	NUMBER(type, TASK_STORAGE);
	NUMBER(map_flags, F_NO_PREALLOC);
	OF(key, int);
	OF(value, struct { u64 since; u32 count; });
} by_task IN(".maps");

struct {
	NUMBER(type, SK_STORAGE);
	NUMBER(map_flags, F_NO_PREALLOC);
	OF(key, int);
	OF(value, u64);
} by_socket IN(".maps");

IN("tp_btf/sys_enter") int storage(u64 *ctx)
{
	u64 *since = task_storage(&by_task, current_task(), 0, 1);

	if (since)
		*since = now();
	return 0;
}

char _license[] IN("license") = "GPL";
