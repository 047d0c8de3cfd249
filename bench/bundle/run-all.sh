#!/usr/bin/env bash
# Everything that has to be shown on a GPU, in three stages of at most eight minutes each. Each step has a time limit, reports, and the next
# one goes on whatever came of it.
set -uo pipefail
root=$(cd "$(dirname "$0")" && pwd)
step=${PIXIO_STEP:-$root/step.sh}

usage() {
    cat <<'USAGE'
usage: run-all.sh [STAGE...] [OPTION...]

  correctness   doctor, instructions, kernels, models, memory checker, parity with transformers
  speed         latency, throughput, load time, profile, the device's own ceilings
  peers         the same work by transformers, in turns with ours

Without a stage: all three.
  --skip-passed     leave out what passed in an earlier call with the same output folder
  --smoke           the smallest model, few runs: shows that the steps run, and measures nothing
  --output DIR      logs, reports and results.tar.gz [default: ./results]
  --seconds N       the most that a stage may take [default: 480]
  --list            name the steps and their limits
  --help

Exit code: 0 every step passed, 1 a step failed or took too long, 2 usage, 3 nothing failed but a step could not be run here (its line says
what is missing) or had no time left (call again with --skip-passed).
USAGE
}

fail_usage() {
    echo "run-all.sh: $1 See run-all.sh --help." >&2
    exit 2
}

# Stage, step, the most seconds, what it shows.
steps() {
    # Tests have steps of their own.
    if [ -n "${PIXIO_STEPS:-}" ]; then
        cat "$PIXIO_STEPS"
        return
    fi
    cat <<'STEPS'
correctness host          20  the machine, its driver and GPU
correctness doctor        60  driver, compiler, cache, kernels with exact results
correctness instructions  60  every wrapper of a GPU instruction against its meaning
correctness kernels      150  every kernel against double precision
correctness models       120  tiny models against the references; binding, commands
correctness full-width   240  models of full width against the references; bits in every batch
correctness parity       150  the outputs of transformers' PixioModel on the same weights
correctness memcheck     120  no access out of bounds, by compute-sanitizer
correctness racecheck    120  no race in shared memory, by compute-sanitizer
correctness nvrtc        150  every kernel within its registers by this compiler
speed       ceilings      60  the rates of a copy and of cuBLASLt's product
speed       ceilings-torch 60 the same by PyTorch
speed       batch-1       60  latency at batch 1
speed       fast-1        60  batch 1 where bits may depend on the batch
speed       batch-8       60  throughput at batch 8
speed       batch-32      60  throughput at batch 32
speed       batch-64      60  throughput at batch 64
speed       batch-128     60  throughput at batch 128
speed       size-512      60  pictures of 512 x 512, batch 1 and 8
speed       size-1024     60  pictures of 1024 x 1024, batch 1 and 8
speed       profile-1     60  each kernel's time at batch 1
speed       profile-64    60  each kernel's time at batch 64
speed       preprocess    30  pictures through the pipeline, preprocessed on the GPU and on the CPU
speed       load          90  loading from a cold and a warm file
speed       tiles        180  every configuration of the products, beside what was expected
speed       tiles-fast   120  those for few rows whose blocks share K, too
peers       eager        150  transformers eager (sdpa), batch 1, 8, 32, 64, 128
peers       compile-1     90  torch.compile, batch 1
peers       compile-64    90  torch.compile, batch 64
peers       autotune-1   150  torch.compile max-autotune, batch 1
peers       autotune-64  150  torch.compile max-autotune, batch 64
STEPS
}

stages=() skip_passed=0 smoke=0 output=results most=480
while [ $# -gt 0 ]; do
    case $1 in
    correctness | speed | peers) stages+=("$1") ;;
    --skip-passed) skip_passed=1 ;;
    --smoke) smoke=1 ;;
    --output)
        output=${2-}
        [ -n "$output" ] || fail_usage "--output takes a folder."
        shift
        ;;
    --seconds)
        most=${2-}
        [[ $most =~ ^[1-9][0-9]{0,4}$ ]] || fail_usage "--seconds takes a whole number from 1, not '$most'."
        shift
        ;;
    --list)
        steps
        exit 0
        ;;
    --help)
        usage
        exit 0
        ;;
    *) fail_usage "'$1' is neither a stage nor an option." ;;
    esac
    shift
done
[ ${#stages[@]} -gt 0 ] || stages=(correctness speed peers)

mkdir -p "$output/logs" || exit 1
output=$(cd "$output" && pwd)
# STEP, STATE, SECONDS and a note, a line for each step that has ever ended in this folder.
status=$output/status.tsv
touch "$status"
export PIXIO_RESULTS=$output PIXIO_SMOKE=$smoke PIXIO_ROOT=$root
# What steps share and nobody wants back: the compiled kernels, the checkpoint.
export PIXIO_WORK=${PIXIO_WORK:-$output.work}
mkdir -p "$PIXIO_WORK" || exit 1
export PIXIO_CACHE_DIR=${PIXIO_CACHE_DIR:-$PIXIO_WORK/kernels}

record() { # STEP STATE SECONDS NOTE
    { grep -v "^$1"$'\t' "$status" || true; } >"$status.new"
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$status.new"
    mv "$status.new" "$status"
    printf '%-28s %-9s %4ss  %s\n' "$1" "$2" "$3" "$4"
}

run_step() { # STAGE/STEP LIMIT DEADLINE
    local name=$1 limit=$2 left=$(($3 - SECONDS)) log begin=$SECONDS code state note
    if [ "$skip_passed" = 1 ] && grep -q "^$name"$'\t'"passed"$'\t' "$status"; then
        printf '%-28s %-9s\n' "$name" "passed earlier"
        return
    fi
    if [ "$left" -lt 5 ]; then
        record "$name" "no time" 0 "the stage's $most seconds were over; call again with --skip-passed"
        return
    fi
    [ "$limit" -le "$left" ] || limit=$left
    log=$output/logs/${name/\//-}.log
    timeout --kill-after=10 "$limit" "$step" "${name#*/}" >"$log" 2>&1 </dev/null
    code=$?
    # A step's last line that begins with "=> " is what it has to say.
    note=$(grep '^=> ' "$log" | tail -n 1 | cut -c4- | tr '\t' ' ')
    case $code in
    0) state=passed ;;
    3) state=missing ;;
    124 | 137) state=failed note="took more than ${limit}s" ;;
    *) state=failed note=${note:-exit code $code: $(tail -n 1 "$log" | tr '\t' ' ' | cut -c1-160)} ;;
    esac
    record "$name" "$state" $((SECONDS - begin)) "$note"
}

chosen=()
for stage in "${stages[@]}"; do
    deadline=$((SECONDS + most))
    while read -r of_stage name limit _; do
        if [ "$of_stage" = "$stage" ]; then
            run_step "$stage/$name" "$limit" "$deadline"
            chosen+=("$stage/$name")
        fi
    done < <(steps)
done

# The table of what was asked for, in order, with what earlier calls left.
table=$output/table.txt
{
    made=$(cat "$root/COMMIT" 2>/dev/null || echo "not a bundle")
    echo "$made; $(date -u +%FT%TZ)$([ "$smoke" = 1 ] && echo "; smoke: measures nothing")"
    for name in "${chosen[@]}"; do
        grep "^$name"$'\t' "$status" | awk -F '\t' '{ printf "%-28s %-9s %4ss  %s\n", $1, $2, $3, $4 }'
    done
} >"$table"
tar -C "$(dirname "$output")" --exclude=results.tar.gz -czf "$PIXIO_WORK/results.tar.gz" "$(basename "$output")" &&
    mv "$PIXIO_WORK/results.tar.gz" "$output/results.tar.gz" || exit 1
echo
cat "$table"
count() { awk -F '\t' -v names=" ${chosen[*]} " -v state="$1" 'index(names, " " $1 " ") && $2 == state' "$status" | wc -l; }
passed=$(count passed) failed=$(count failed) missing=$(count missing) late=$(count "no time")
echo "$passed passed, $failed failed, $missing missing something, $late without time; $output/results.tar.gz"
[ "$failed" -eq 0 ] || exit 1
[ $((missing + late)) -eq 0 ] || exit 3
