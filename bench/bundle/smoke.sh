#!/usr/bin/env bash
# Unpacks a bundle and runs all of it that needs neither a GPU nor PyTorch, on the emulated driver, as a host without .NET would:
#   bench/bundle/smoke.sh FILE.tar.xz
set -euo pipefail
cd "$(dirname "$0")/../.."
archive=$(realpath "${1:?usage: bench/bundle/smoke.sh FILE.tar.xz}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xJf "$archive"
tests/emulator/build.sh "$work/emulator"

# A path with everything but dotnet.
mkdir "$work/bin" "$work/home"
ln -s /usr/bin/* /bin/* "$work/bin/" 2>/dev/null || true
rm -f "$work/bin/dotnet"
code=0
env -i PATH="$work/bin" HOME="$work/home" PIXIO_CUDA_LIBRARIES="$work/emulator" \
    "$work/pixio-bundle/run-all.sh" --smoke --output "$work/results" || code=$?
# Nothing may have failed; what a GPU, its tools or PyTorch are needed for is missing (3); and what is not must have passed.
if [ $code -ne 0 ] && [ $code -ne 3 ]; then
    cat "$work"/results/logs/*.log >&2
    exit 1
fi
for step in correctness/{host,doctor,instructions,kernels,models} \
    speed/{ceilings,batch-1,fast-1,batch-8,batch-32,batch-64,batch-128,size-512,size-1024,profile-1,profile-64,load}; do
    if ! grep -q "^$step"$'\t'"passed"$'\t' "$work/results/status.tsv"; then
        echo "The step $step did not pass." >&2
        cat "$work/results/logs/${step/\//-}.log" >&2
        exit 1
    fi
done
tar -tzf "$work/results/results.tar.gz" results/table.txt results/doctor.json results/logs/correctness-kernels.log >/dev/null
echo "the bundle runs"
