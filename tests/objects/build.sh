#!/bin/sh
# Rebuild the committed objects: tests/objects/build.sh [FOLDER]. Needs clang-19 (or CLANG=…), bpf-gcc
# (gcc-bpf), bpftool and the headers of libbpf-dev.
# Paths in debug information are kept relative, so that the objects are the same wherever they are built.
# Every source gives SOURCE.o (little-endian, v3, and the options behind `// build:` in it); `also` builds it once more,
# for another processor or byte order.
set -eu
folder=$(realpath "${1:-$(dirname "$0")}")
cd "$(dirname "$0")"
mkdir -p "$folder/refused"
include="-I/usr/include/$(uname -m)-linux-gnu"
strip=${STRIP:-llvm-strip-19}

compile() { # output, source, options
	output=$folder/$1 source=$2
	shift 2
	"${CLANG:-clang-19}" -O2 -g -target bpf -mcpu=v3 -Wall -Werror $include -fdebug-compilation-dir=. \
		$(sed -n 's,^// build: ,,p' "$source") "$@" -c "$source" -o "$output"
}

build() { # as compile, without DWARF; BTF stays
	compile "$@"
	"$strip" --strip-debug "$folder/$1"
}

also() { # name of the source, what is added to it in the output, options
	source=$1 output=$1_$2.o
	shift 2
	build "$output" "$source.c" "$@"
}

for source in *.c refused/*.c; do
	build "${source%.c}.o" "$source"
done

for cpu in v1 v2 v4; do
	also xdp_calls $cpu -mcpu=$cpu
	also data_mixed $cpu -mcpu=$cpu
	also calls_callbacks $cpu -mcpu=$cpu
done
for name in xdp_count xdp_actions data_data data_mixed extern_kconfig extern_ksyms core_fields maps_inner maps_legacy \
	all_together btf_kinds calls_callbacks insns_v4; do
	also $name big --target=bpfeb
done
for name in data_mixed maps_legacy maps_iproute2 calls_static programs_bare insns_packet; do
	also $name nobtf -g0
done
for name in data_mixed btf_kinds; do # with DWARF, whose sections have relocations of their own
	compile ${name}_dwarf.o $name.c
done

gcc() { # name of the source, what is added to it in the output, options
	source=$1 output=$folder/$1_gcc$2.o
	shift 2
	# BTF gets the folder of compilation, which the second line marker sets; and its variables are ordered by their
	# addresses in the compiler's memory, which setarch makes the same every time.
	{
		printf '# 1 "%s.c"\n# 1 ".//"\n' "$source"
		"${GCC:-bpf-gcc}" -E -fno-working-directory "$source.c"
	} | setarch -R "${GCC:-bpf-gcc}" -O2 -gbtf -mcpu=v3 -w "$@" -fpreprocessed -x cpp-output \
		-c - -o "$output"
}

for name in data_data data_mixed maps_attributes maps_inner maps_legacy calls_static core_access btf_kinds; do
	gcc $name ""
done
gcc data_mixed _big -mbig-endian

parts=$(mktemp -d)
trap 'rm -r "$parts"' EXIT
for half in first second; do
	(folder=$parts && build $half.o linked/$half.c)
done
"${BPFTOOL:-bpftool}" gen object "$folder/linked.o" "$parts/first.o" "$parts/second.o"

gcc read_places "" # symbols that do not stand first in their sections, whose places gcc's old assembler adds twice
