/* The peer of `benchmarks.tables` in C: BPF_MAP_GET_NEXT_KEY and BPF_MAP_LOOKUP_ELEM for every element of the map
 * behind descriptor argv[1], keys and values of argv[2] bytes; prints the least CPU seconds of argv[3] rounds and how
 * many elements there were. */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static long element(int command, int fd, void *key, void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = fd;
	attr.key = (__u64)(unsigned long)key;
	attr.value = (__u64)(unsigned long)value;
	return syscall(SYS_bpf, command, &attr, sizeof(attr));
}

int main(int argc, char **argv)
{
	int fd = atoi(argv[1]), size = atoi(argv[2]), rounds = atoi(argv[3]);
	char key[64], next[64], value[64];
	double least = 1e9;
	long count = 0;

	if (argc != 4 || size > (int)sizeof(key))
		return 2;
	while (rounds--) {
		double start = cpu_seconds(), spent;
		void *from = NULL;

		count = 0;
		while (!element(BPF_MAP_GET_NEXT_KEY, fd, from, next)) {
			memcpy(key, next, size);
			from = key;
			count += !element(BPF_MAP_LOOKUP_ELEM, fd, key, value);
		}
		spent = cpu_seconds() - start;
		if (spent < least)
			least = spent;
	}
	printf("%.9f %ld\n", least, count);
	return 0;
}
