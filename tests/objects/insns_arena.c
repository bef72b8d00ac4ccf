// Pointers into an arena: casts between the address spaces of the program and of the arena, and its kernel function.
#include "bpf.h"

#define ARENA __attribute__((address_space(1)))

struct node { u64 value; struct node ARENA *next; };

struct {
	NUMBER(type, 33);
	NUMBER(map_flags, 1 << 10);
	NUMBER(max_entries, 4);
} arena IN(".maps");

EXTERN(".ksyms") void ARENA *bpf_arena_alloc_pages(void *map, void ARENA *where, u32 pages, int node, u64 flags);

struct node ARENA *head;

IN("syscall") int push(u64 *ctx)
{
	struct node ARENA *node = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);

	if (!node)
		return 1;
	node->value = *ctx;
	node->next = head;
	head = node;
	return 0;
}

char _license[] IN("license") = "GPL";
