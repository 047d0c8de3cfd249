#!/usr/bin/env bash
# Builds the emulated driver and run-time compiler into the folder $1, under the names by which a program finds the real ones.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")" && pwd)
target=$1
mkdir -p "$target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c++20 -O2 -march=native -Wall -Wextra -Werror -fPIC)
objects() { # objects of a folder's sources, compiled side by side
    local folder=$1
    printf '%s\n' "$source_folder/$folder"/*.cpp | xargs -P "$(nproc)" -I{} sh -c 'g++ '"${flags[*]}"' -c "$1" -o "$2/$(basename "$1").o"' _ {} "$work"
}
objects runtime
objects driver
g++ -shared -Wl,-soname,libcuda.so.1 "$work"/*.o -ldl -lpthread -o "$work/libcuda.so.1"
g++ "${flags[@]}" -shared -Wl,-soname,libnvrtc.so.12 "$source_folder"/nvrtc/*.cpp -ldl -o "$work/libnvrtc.so.12"
# Whole files appear at once, should two builds meet.
for file in "$source_folder/device/emulator.h" "$work/libcuda.so.1" "$work/libnvrtc.so.12"; do
    cp "$file" "$target/.$(basename "$file").$$"
    mv "$target/.$(basename "$file").$$" "$target/$(basename "$file")"
done
