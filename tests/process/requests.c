/* A program without libraries, for probes on its functions: each request is handled once, factorials call themselves.
 * Built by build.sh; the executable is committed. */
struct request {
	int id;
	unsigned long size;
	const char *name;
};

static long system_call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

__attribute__((noipa)) long handle(const struct request *one, long factor)
{
	return one->id * factor + one->size;
}

__attribute__((noipa)) long factorial(long n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

__attribute__((noipa)) void never(void)
{
	__asm__ volatile("ud2");
}

static const char *const names[] = {"index", "login", "search"};

__attribute__((used)) int run(long count, char **words)
{
	long total = 0;
	for (int at = 0; at < 3; at++) {
		struct request one = {at + 1, 10 * at, names[at]};
		total += handle(&one, 100);
	}
	total += factorial(5);
	system_call(1, 1, (long)"done\n", 5);
	if (count > 1 && words[1][0] == 'c')
		never();
	while (count > 1 && words[1][0] == 'l')
		;
	system_call(999, 0, 0, 0);
	system_call(231, total & 0xff, 0, 0);
	return 0;
}

__attribute__((naked)) void _start(void)
{
	__asm__("mov (%rsp), %rdi\n lea 8(%rsp), %rsi\n and $-16, %rsp\n call run\n hlt");
}
