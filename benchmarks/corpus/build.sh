#!/bin/sh
# Builds the C halves: benchmarks/corpus/build.sh [NAME …]. Needs clang-19 and llvm-strip-19, nothing else.
set -eu
cd "$(dirname "$0")/c"
for name in ${*:-$(basename -s .c ./*.c)}; do
	"${CLANG:-clang-19}" -O2 -g -mcpu=v3 -target bpf -Wall -Wextra -Werror -nostdinc -fdebug-compilation-dir=. \
		-c "$name.c" -o "$name.o"
	"${STRIP:-llvm-strip-19}" -g "$name.o"
done
