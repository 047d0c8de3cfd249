#!/usr/bin/env bash
# Converting the checkpoint of ViT-H (2.5 GB, random weights) beside copying it, in turns; both end when the disk has everything.
# Usage: bench/convert.sh [FOLDER]: where there are 8 GB to write, by default a folder under /tmp that is removed afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
pixio=$PWD/bin/pixio
work=${1:-$(mktemp -d)}
trap 'rm -rf "$work/in" "$work/out" "$work/copy" "$work/times"; rmdir "$work" 2>/dev/null || true' EXIT

"$pixio" synth vith16 "$work/in" --quiet >/dev/null
sync -f "$work"
bytes=$(stat -c %s "$work/in/model.safetensors")

# The seconds of a command go to a file of its name; what it wrote is removed before the next one begins.
measure() {
    local name=$1 begin end
    shift
    begin=$(date +%s%N)
    "$@" >/dev/null
    end=$(date +%s%N)
    echo $(((end - begin) / 1000000)) >>"$work/times/$name"
    rm -rf "$work/out" "$work/copy"
    sync -f "$work"
}

copy() {
    cp "$work/in/model.safetensors" "$work/copy"
    sync "$work/copy"
}

# Takes the input out of the page cache, as far as the system allows it.
forget() { dd of="$work/in/model.safetensors" oflag=nocache conv=notrunc,fdatasync count=0 status=none; }

convert() { "$pixio" convert "$work/in" "$work/out" --quiet "$@"; }

mkdir -p "$work/times"
for round in 1 2 3 4 5 6; do
    # Whoever comes second may find the machine in another state: they take turns at that, too.
    order="copy convert"
    [ $((round % 2)) -eq 1 ] || order="convert copy"
    for what in $order; do
        forget && measure "$what-cold" "$what"
    done
    cat "$work/in/model.safetensors" >/dev/null
    for what in $order; do
        measure "$what-warm" "$what"
    done
    measure convert-warm-bf16 convert --dtype bf16
    measure convert-warm-f16 convert --dtype f16
done

for name in copy-cold convert-cold copy-warm convert-warm convert-warm-bf16 convert-warm-f16; do
    sort -n "$work/times/$name" | awk -v name="$name" -v bytes="$bytes" '
        { t[NR] = $1 }
        END { m = t[int((NR + 1) / 2)]; printf "%-18s median %5d ms (%d to %d), %.2f GB/s read\n", name, m, t[1], t[NR], bytes / m / 1e6 }'
done

"$pixio" convert "$work/in" "$work/out" --quiet >/dev/null &
peak=0
while [ -d "/proc/$!" ] && now=$(awk '/VmHWM/ { print $2 }' "/proc/$!/status" 2>/dev/null) && [ -n "$now" ]; do
    peak=$now
    sleep 0.02
done
wait $!
echo "peak memory (VmHWM) $((peak / 1024)) MB"
