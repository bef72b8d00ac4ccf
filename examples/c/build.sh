#!/bin/sh
# Builds what is committed in this folder: gcc of any version and binutils, clang-19 and the headers of libbpf-dev.
set -eu
cd "$(dirname "$0")"
gcc -O1 -nostdlib -static-pie -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -Wall -Werror \
    -Wl,--build-id=none -Wl,-z,noseparate-code -o server server.c
for name in bashreadline biosnoop memleak offcputime stacksnoop strlen_count task_switch tcplife; do
	"${CLANG:-clang-19}" -O2 -g -target bpf -D__TARGET_ARCH_x86 -mcpu=v3 -Wall -Werror \
	    "-I/usr/include/$(uname -m)-linux-gnu" -fdebug-compilation-dir=. -c "$name.c" -o "$name.o"
	"${STRIP:-llvm-strip-19}" -g "$name.o"
done
