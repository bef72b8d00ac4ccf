#!/bin/sh
# Rebuild the committed objects: tests/objects/build.sh [FOLDER]. Needs clang-19 (or CLANG=…) and libbpf-dev's headers.
# Paths in debug information are kept relative, so that the objects are the same wherever they are built.
set -eu
folder=$(realpath "${1:-$(dirname "$0")}")
cd "$(dirname "$0")"
include="-I/usr/include/$(uname -m)-linux-gnu"
build() { # output, source, options
	output=$folder/$1 source=$2
	shift 2
	"${CLANG:-clang-19}" -O2 -g -target bpf -Wall -Werror $include -fdebug-compilation-dir=. "$@" -c "$source" -o "$output"
	"${STRIP:-llvm-strip-19}" --strip-debug "$output" # DWARF; BTF stays
}
for source in *.c; do
	build "${source%.c}.o" "$source" -mcpu=v3
done
for cpu in v1 v2 v4; do
	build "xdp_calls_$cpu.o" xdp_calls.c -mcpu="$cpu"
done
build xdp_count_big.o xdp_count.c -mcpu=v3 --target=bpfeb
build xdp_actions_big.o xdp_actions.c -mcpu=v3 --target=bpfeb
