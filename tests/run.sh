#!/usr/bin/env bash
# Runs the built test program and ends with one line that counts: "N passed, N failed, N skipped".
# Arguments go to the test program (its option -? lists them).
set -uo pipefail
cd "$(dirname "$0")/.."
program=tests/PixioCuda.Tests/bin/${CONFIGURATION:-Release}/net10.0/PixioCuda.Tests
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$program" -noColor "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

# The summary: "   PixioCuda.Tests  Total: 4, Errors: 0, Failed: 0, Skipped: 2, Not Run: 0, Time: 0.2s"
count() { grep -E 'Total: [0-9]+, Errors:' "$log" | tail -n 1 | grep -oE "$1: [0-9]+" | grep -oE '[0-9]+$' || echo 0; }
total=$(count Total) errors=$(count Errors) failed=$(count Failed) skipped=$(count Skipped) not_run=$(count 'Not Run')
passed=$((total - failed - skipped - not_run))
# A run that broke off, or that ran nothing, has not passed.
if [ "$status" -eq 0 ] && [ "$passed" -eq 0 ]; then
    echo "no test was run" >&2
    status=1
fi
if [ "$status" -ne 0 ] && [ $((failed + errors)) -eq 0 ]; then
    errors=1
fi
echo "$passed passed, $((failed + errors)) failed, $skipped skipped"
exit "$status"
