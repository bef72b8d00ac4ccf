#!/bin/sh
# Builds what is committed in this folder: gcc of any version and binutils, clang-19 and the headers of libbpf-dev.
set -eu
cd "$(dirname "$0")"
gcc -O1 -nostdlib -static -fno-pic -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables -Wl,--build-id=none \
    -Wl,-z,noseparate-code -o requests requests.c
"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -Wall -Werror "-I/usr/include/$(uname -m)-linux-gnu" \
    -fdebug-compilation-dir=. -c probe.c -o probe.o
"${STRIP:-llvm-strip-19}" -g probe.o
gcc -O1 -nostdlib -static-pie -o shop shop.c
