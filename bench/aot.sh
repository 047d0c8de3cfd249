#!/usr/bin/env bash
# The first embedding of random:vitb16 in a host of native code, beside the steady ones of the same host compiled at run time; by turns.
# Prints the medians and the size of what was published. Needs clang or gcc. MODEL, ROUNDS.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${MODEL:-random:vitb16} rounds=${ROUNDS:-7} picture=tests/data/images/cat.png
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make --no-print-directory pack >/dev/null
rm -rf tests/host/packages/pixiocuda*
rid=$(dotnet --info | awk '$1 == "RID:" { print $2 }')
dotnet publish tests/host/PixioCuda.Host.csproj -c Release -r "$rid" -p:PublishAot=true -o "$work/native" -v quiet -nologo
dotnet publish tests/host/PixioCuda.Host.csproj -c Release -r "$rid" --no-self-contained -o "$work/managed" -v quiet -nologo
for ((round = 0; round < rounds; round++)); do
    echo "native $("$work/native/host" time "$model" "$picture" 2>/dev/null)"
    echo "managed $("$work/managed/host" time "$model" "$picture" 2>/dev/null)"
done | tee "$work/times"

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
first=$(awk '$1 == "native" { print $2 }' "$work/times" | median)
steady=$(awk '$1 == "managed" { print $3 }' "$work/times" | median)
awk -v a="$first" -v b="$steady" 'BEGIN { printf "native, first: %.1f ms; managed, steady: %.1f ms; %+.1f%%\n", a, b, 100 * (a / b - 1) }'
find "$work/native" -type f ! -name '*.dbg' -printf '%s\n' | awk '{ sum += $1 } END { printf "published native host: %.1f MB\n", sum / 1e6 }'
