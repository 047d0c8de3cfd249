#!/usr/bin/env bash
# Runs the built test programs and ends with one line that counts: "N passed, N failed, N skipped".
#   PixioCuda.Tests         everything that needs no CUDA
#   PixioCuda.Cuda.Tests    the CUDA side on the emulated driver (or, with PIXIO_TEST_DEVICE=hardware, on a GPU)
#   PixioCuda.Nvrtc.Tests   the kernels through NVIDIA's own compiler
# Arguments go to each of them (their option -? lists them). PROGRAMS="Name ..." runs only those.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

total_passed=0 total_failed=0 total_skipped=0
for name in ${PROGRAMS:-PixioCuda.Tests PixioCuda.Cuda.Tests PixioCuda.Nvrtc.Tests}; do
    "tests/$name/bin/${CONFIGURATION:-Release}/net10.0/$name" -noColor "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}

    # The summary: "   PixioCuda.Tests  Total: 4, Errors: 0, Failed: 0, Skipped: 2, Not Run: 0, Time: 0.2s"
    count() { grep -E 'Total: [0-9]+' "$log" | tail -n 1 | grep -oE "$1: [0-9]+" | grep -oE '[0-9]+$' || echo 0; }
    total=$(count Total) errors=$(count Errors) failed=$(count Failed) skipped=$(count Skipped) not_run=$(count 'Not Run')
    # A program that broke off has not passed.
    if [ "$status" -ne 0 ] && [ $((failed + errors)) -eq 0 ]; then
        errors=1
    fi
    total_passed=$((total_passed + total - failed - skipped - not_run))
    total_failed=$((total_failed + failed + errors))
    total_skipped=$((total_skipped + skipped))
done

# Nor has a run that ran nothing.
if [ "$total_passed" -eq 0 ] && [ "$total_failed" -eq 0 ]; then
    echo "no test was run" >&2
    total_failed=1
fi
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" -eq 0 ]
