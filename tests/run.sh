#!/usr/bin/env bash
# Runs the built test programs and ends with one line that counts: "N passed, N failed, N skipped". Where tests failed, they are listed once
# more just above it, with the beginnings of their messages and traces: who keeps only the end of the output knows what failed.
#   PixioCuda.Tests         everything that needs no CUDA
#   PixioCuda.Cuda.Tests    the CUDA side on the emulated driver (or, with PIXIO_TEST_DEVICE=hardware, on a GPU)
#   PixioCuda.Nvrtc.Tests   the kernels through NVIDIA's own compiler
# Arguments go to each of them (their option -? lists them). PROGRAMS="Name ..." runs only those.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp) failures=$(mktemp)
trap 'rm -f "$log" "$failures"' EXIT

# What failed according to a log: "    Name [FAIL]", or "    [Test Class Cleanup Failure (Name)] Type" and its like, and what is indented
# deeper below it: the message, "Stack Trace:" and the trace, output. Of the first 20 in full, of the others the name.
list_failures() {
    awk -v in_full=20 -v message_lines=8 -v trace_lines=5 -v width=300 '
        function put(line) { print (length(line) > width ? substr(line, 1, width) "..." : line) }
        { sub(/\r$/, "") }
        /^    [^ ].* \[FAIL\]$/ || /^    \[[A-Za-z ]+(\([^)]*\))?\] / && !/^    \[(SKIP|WARN|NOTE)/ {
            inside = ++failed <= in_full; left = message_lines; put($0); next
        }
        /^      +Stack Trace:$/ { left = trace_lines + 1 }
        /^      +(Output|Warnings):$/ { left = 0 }
        /^      / { if (inside && /[^ ]/ && left-- > 0) put($0); next }
        /[^ \t]/ { inside = 0 }
    ' "$1"
}

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
    if [ $((failed + errors)) -ne 0 ]; then
        list=$(list_failures "$log")
        # One that broke off says why at its end, if at all.
        [ -n "$list" ] && [ "$total" -ne 0 ] || list+=$'\n'"    broke off with status $status; its last lines:"$'\n'"$(tail -n 12 "$log" | cut -c 1-300 | sed 's/^/      /')"
        printf '  %s:\n%s\n' "$name" "${list#$'\n'}" >> "$failures"
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
if [ -s "$failures" ]; then
    echo "What failed:"
    cat "$failures"
fi
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" -eq 0 ]
