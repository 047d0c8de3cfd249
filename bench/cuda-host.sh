#!/usr/bin/env bash
# What the CUDA engine's host side takes, on the emulated driver, whose launches do nothing: until a fresh process is ready with its kernels in
# the cache, 5 times, and around each run. Needs g++. With a GPU, run the two commands themselves, without the variables.
set -euo pipefail
cd "$(dirname "$0")/.."
bench="bench/bin/${CONFIGURATION:-Release}/net10.0/PixioCuda.Bench.dll"
model=${1:-random:vitb16}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests/emulator/build.sh "$work/driver"
export PIXIO_CUDA_LIBRARIES="$work/driver" PIXIO_CACHE_DIR="$work/cache" PIXIO_EMULATOR_IDLE=1
dotnet "$bench" cuda-start "$model" >/dev/null # fills the cache
for _ in 1 2 3 4 5; do dotnet "$bench" cuda-start "$model"; done
dotnet "$bench" cuda-overhead
