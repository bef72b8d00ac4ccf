#!/bin/sh
# Builds the objects of this folder: tests/packets/build.sh [NAME …]. Needs clang-19 and the headers of libbpf-dev.
set -eu
cd "$(dirname "$0")"
for source in ${*:-*.c}; do
	name=${source%.c}
	"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -Wall -Werror "-I/usr/include/$(uname -m)-linux-gnu" \
		-fdebug-compilation-dir=. -c "$name.c" -o "$name.o"
	"${STRIP:-llvm-strip-19}" -g "$name.o"
done
