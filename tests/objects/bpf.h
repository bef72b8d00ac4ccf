// What these sources need to know of BPF: types, sections, attributes of maps, helpers by number.
// Numbers are those of include/uapi/linux/bpf.h; structs hold only the members that are used.
#ifndef BPF_H
#define BPF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define IN(name) __attribute__((section(name), used))
#define EXTERN(name) extern __attribute__((section(name)))
#define WEAK __attribute__((weak))
#define APART __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))

// A map is a struct whose members' types say what it is: a number is the length of an array.
#define NUMBER(name, number) int (*name)[number]
#define OF(name, type) __typeof__(type) *name
#define STARTS_WITH(name, type) __typeof__(type) *name[]

enum { HASH = 1, ARRAY, PROG_ARRAY, PERF_EVENTS, PERCPU_HASH, PERCPU_ARRAY, STACK_TRACE, CGROUP_ARRAY, LRU_HASH,
       LRU_PERCPU_HASH, LPM_TRIE, ARRAY_OF_MAPS, HASH_OF_MAPS, DEVMAP, SOCKMAP, CPUMAP, XSKMAP, SOCKHASH,
       QUEUE = 22, STACK = 23, SK_STORAGE = 24, DEVMAP_HASH = 25, RINGBUF = 27, TASK_STORAGE = 29, BLOOM_FILTER = 30 };

enum { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol;
};

// Helpers: what is called is a number. GCC keeps a pointer that is used twice in a register, and has a word of its own.
#ifdef __clang__
#define HELPER(number, result, name, ...) static result (*const name)(__VA_ARGS__) = (void *)number
#else
#define HELPER(number, result, name, ...) result name(__VA_ARGS__) __attribute__((kernel_helper(number)))
#endif

HELPER(1, void *, lookup, void *map, const void *key);
HELPER(2, long, update, void *map, const void *key, const void *value, u64 flags);
HELPER(5, u64, now, void);
HELPER(6, long, trace, const char *format, u32 size, ...);
HELPER(12, long, tail_call, void *ctx, void *map, u32 index);
HELPER(25, long, output, void *ctx, void *map, u64 flags, void *data, u64 size);
HELPER(113, long, read_kernel, void *to, u32 size, const void *from);
HELPER(130, long, ring_output, void *map, void *data, u64 size, u64 flags);
HELPER(153, void *, per_cpu, const void *variable, u32 cpu);
HELPER(156, void *, task_storage, void *map, void *task, void *value, u64 flags);
HELPER(158, void *, current_task, void);
HELPER(164, long, for_each, void *map, void *callback, void *data, u64 flags);
HELPER(181, long, loop, u32 count, void *callback, void *data, u64 flags);

#endif
