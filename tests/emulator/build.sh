#!/usr/bin/env bash
# Builds the emulated driver, run-time compiler and cuBLASLt into the folder $1, under the names by which a program finds the real ones.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")" && pwd)
target=$1
mkdir -p "$target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c++20 -O2 -march=native -Wall -Wextra -Werror -fPIC -fno-semantic-interposition)

# The sources of a folder are compiled as one: their headers are read once, and the checks of an access are inlined into its hook.
compile() { # object, option, folder
    printf '#include "%s"\n' "$source_folder/$3"/*.cpp >"$work/$3.cpp"
    g++ "${flags[@]}" "$2" -I "$source_folder/$3" -c "$work/$3.cpp" -o "$1"
}
pids=()
compile "$work/runtime.o" -O3 runtime & pids+=($!)
compile "$work/driver.o" -O1 driver & pids+=($!)
compile "$work/nvrtc.o" -O1 nvrtc & pids+=($!)
compile "$work/cublaslt.o" -O2 cublaslt & pids+=($!)
for pid in "${pids[@]}"; do wait "$pid"; done
g++ -shared -Wl,-soname,libcuda.so.1 "$work/runtime.o" "$work/driver.o" -ldl -lpthread -o "$work/libcuda.so.1"
g++ -shared -Wl,-soname,libnvrtc.so.12 "$work/nvrtc.o" -ldl -o "$work/libnvrtc.so.12"
g++ -shared -Wl,-soname,libcublasLt.so.12 "$work/cublaslt.o" -ldl -o "$work/libcublasLt.so.12"
# Whole files appear at once, should two builds meet; the driver, which is looked for, comes last.
for file in "$source_folder/device/emulator.h" "$work/libnvrtc.so.12" "$work/libcublasLt.so.12" "$work/libcuda.so.1"; do
    cp "$file" "$target/.$(basename "$file").$$"
    mv "$target/.$(basename "$file").$$" "$target/$(basename "$file")"
done
