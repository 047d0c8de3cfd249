#!/usr/bin/env bash
# One step of run-all.sh by its name. The exit code: 0 passed, 3 something that it needs is not on this machine, else failed. The last line
# that begins with "=> " is what the table shows.
set -uo pipefail
root=${PIXIO_ROOT:-$(cd "$(dirname "$0")" && pwd)}
results=${PIXIO_RESULTS:-$root/results}
work=${PIXIO_WORK:-$results.work}
mkdir -p "$results" "$work"
smoke=${PIXIO_SMOKE:-0}
export DOTNET_ROOT=$root/runtime
export PIXIO_CACHE_DIR=${PIXIO_CACHE_DIR:-$work/kernels}

program() { # NAME ARGUMENT...: a program of the bundle
    local name=$1
    shift
    "$root/runtime/dotnet" "$root/app/$name.dll" "$@"
}
pixio() { program pixio "$@"; }
say() { echo "=> $*"; }
missing() {
    say "$*"
    exit 3
}

# The value of a key of flat JSON: the first one.
value_of() { # KEY FILE
    sed -nE "s/.*\"$1\": ?\"?([^,\"}]*)\"?.*/\1/p" "$2" | head -n 1
}

# Runs test programs on the device; passes only where something ran, nothing failed and something passed.
tests() { # PROGRAM ARGUMENT...
    local log=$work/tests.log total failed errors skipped not_run
    PIXIO_TEST_DEVICE=hardware program "$@" -noColor -noLogo 2>&1 | tee "$log"
    local code=${PIPESTATUS[0]}
    count() { grep -E 'Total: [0-9]+' "$log" | tail -n 1 | grep -oE "$1: [0-9]+" | grep -oE '[0-9]+$' || echo 0; }
    total=$(count Total) errors=$(count Errors) failed=$(count Failed) skipped=$(count Skipped) not_run=$(count 'Not Run')
    local passed=$((total - failed - skipped - not_run))
    say "$passed tests passed, $((failed + errors)) failed, $skipped skipped"
    [ "$code" -eq 0 ] && [ "$passed" -gt 0 ] && [ $((failed + errors)) -eq 0 ]
}

# The model to measure: ViT-H as a checkpoint folder with weights from a seed, made once; in a smoke run the smallest reference model.
checkpoint() {
    if [ "$smoke" = 1 ]; then
        echo "$root/tests/data/tiny"
        return
    fi
    if [ ! -e "$work/vith16/complete" ]; then
        pixio synth vith16 "$work/vith16" --force --quiet >&2 && touch "$work/vith16/complete" || return 1
    fi
    echo "$work/vith16"
}

# A measurement of one shape: its JSON goes to the results, a line of it to the table.
bench() { # NAME ARGUMENT...
    local name=$1 file=$results/bench-$1.json model
    shift
    model=$(checkpoint) || return 1
    local duration=(--seconds 5)
    [ "$smoke" = 0 ] || duration=(--iterations 2)
    pixio bench --model "$model" --device cuda --json --quiet "${duration[@]}" "$@" >"$file" || return 1
    cat "$file"
    summary+="${summary:+; }$name $(value_of median_seconds "$file" | awk '{ printf "%.3f ms", 1e3 * $1 }'), $(
        value_of images_per_second "$file" | awk '{ printf "%.1f", $1 }') images/s"
    say "$summary"
}

batch() { # N: the emulated device of a smoke run is slow
    echo $((smoke == 1 && $1 > 4 ? 4 : $1))
}

profile() { # BATCH NAME
    local model
    model=$(checkpoint) || return 1
    local file=$results/$2.json runs=20
    [ "$smoke" = 0 ] || runs=1
    pixio profile --model "$model" --device cuda --batch "$1" --runs "$runs" --json --quiet \
        --trace "$results/$2-trace.json" >"$file" || return 1
    pixio profile --model "$model" --device cuda --batch "$1" --runs "$runs" --quiet
    say "as a graph $(value_of graph_seconds "$file" | awk '{ printf "%.3f ms", 1e3 * $1 }')"
}

sanitizer() { # TOOL
    local found
    found=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer) ||
        missing "compute-sanitizer is not on the path or in /usr/local/cuda/bin"
    local run=("$found" --tool "$1" --error-exitcode 9 "$root/runtime/dotnet" "$root/app/pixio.dll")
    local precision
    for precision in bf16 fp16 fp32; do
        "${run[@]}" bench --model "$root/tests/data/tiny" --device cuda --precision $precision --batch 3 --iterations 2 --quiet || return 1
        "${run[@]}" features "$root/tests/data/images/cat.png" --model "$root/tests/data/tiny" --device cuda --precision $precision \
            --resize 48x96 --output "$work/maps.safetensors" --quiet || return 1
    done
    say "no finding in bf16, fp16 and fp32"
}

peer() { # SCRIPT ARGUMENT...: exit code 3 where PyTorch is missing
    local script=$1 code log=$work/peer.log
    shift
    command -v "${PYTHON:-python3}" >/dev/null || missing "there is no ${PYTHON:-python3}"
    "${PYTHON:-python3}" "$root/bench/peers/$script" "$@" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    say "$(tail -n 1 "$log")"
    return "$code"
}

ours=("--ours" "$root/runtime/dotnet $root/app/PixioCuda.Bench.dll peer")

compare() { # NAME MODE BATCH...
    local model name=$1 mode=$2
    shift 2
    model=$(checkpoint) || return 1
    peer compare.py "${ours[@]}" --model "$model" --mode "$mode" --batches "$@" --output "$results/compare-$name.json"
}

load() {
    local model kind round summary="" file=$work/load.json
    model=$(checkpoint) || return 1
    : >"$results/load.tsv"
    for round in 1 2 3; do
        for kind in cold warm; do
            if [ $kind = cold ]; then
                # Out of the page cache, as far as the system allows it.
                for shard in "$model"/*.safetensors; do
                    dd of="$shard" oflag=nocache conv=notrunc,fdatasync count=0 status=none || return 1
                done
            fi
            pixio bench --model "$model" --device cuda --iterations 1 --json --quiet >"$file" || return 1
            printf '%s\t%s\t%s\n' $kind "$(value_of load_seconds "$file")" "$(value_of weight_bytes "$file")" | tee -a "$results/load.tsv"
        done
    done
    for kind in cold warm; do
        summary+="${summary:+, }$kind $(grep "^$kind" "$results/load.tsv" | cut -f 2 | sort -g | sed -n 2p | awk '{ printf "%.2f s", $1 }')"
    done
    say "$summary"
}

nvrtc_folder() {
    local path
    path=$(sed -nE '/"library": ?"Nvrtc"/,/}/s/.*"path": ?"([^"]*)".*/\1/p' "$results/doctor.json" | head -n 1)
    [ -n "$path" ] && dirname "$path"
}

# The classes of tests of single instructions, and those of models, binding and commands; what is in neither is of the kernels.
instructions=('*InstructionTests' '*TensorCopyTests' '*WarpgroupProductTests' '*DependentLaunchTests')
models=('PixioCuda.Cuda.Tests.Cuda*' 'PixioCuda.Cuda.Tests.DeviceTensorTests' 'PixioCuda.Cuda.Tests.Interop.*' 'PixioCuda.Cuda.Tests.Cli.*')
options=() summary=""
case ${1:-} in
host)
    uname -srm
    head -n 2 /etc/os-release
    nproc
    free -g
    nvidia-smi || echo "nvidia-smi is not there"
    cat "$root/COMMIT"
    export PATH=$PATH:/usr/sbin:/sbin
    libraries=$(ldconfig -p)
    for library in 'libstdc\+\+\.so\.6' 'libgcc_s\.so\.1' 'libssl\.so\.(3|1\.1)'; do
        grep -qE "$library" <<<"$libraries" || missing "the .NET runtime needs ${library//\\/}, which the dynamic linker does not list"
    done
    gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)
    version=$(pixio --version) && say "$version; $gpu"
    ;;
doctor)
    pixio doctor
    pixio doctor --json >"$results/doctor.json"
    code=$?
    say "$(value_of auto "$results/doctor.json")"
    [ $code -eq 0 ]
    ;;
instructions)
    for class in "${instructions[@]}"; do options+=(-class "$class"); done
    tests PixioCuda.Cuda.Tests "${options[@]}" -trait- Category=Emulator
    ;;
kernels)
    if [ "$smoke" = 1 ]; then
        tests PixioCuda.Cuda.Tests -class '*LayerNormKernelTests' -class '*ConvertKernelTests'
    else
        for class in "${instructions[@]}" "${models[@]}"; do options+=(-class- "$class"); done
        tests PixioCuda.Cuda.Tests "${options[@]}" -trait- Category=Emulator -trait- Category=Soak
    fi
    ;;
models)
    if [ "$smoke" = 1 ]; then
        tests PixioCuda.Cuda.Tests -method '*CudaModelTests.A_captured_graph*' -method '*CudaModelTests.A_picture_has*'
    else
        for class in "${models[@]}"; do options+=(-class "$class"); done
        tests PixioCuda.Cuda.Tests "${options[@]}" -trait- Category=Emulator -trait- Category=Soak
    fi
    ;;
full-width)
    [ "$smoke" = 0 ] || missing "models of full width are not for smoke runs"
    tests PixioCuda.Cuda.Tests -explicit only -class '*FullWidthModelTests'
    ;;
parity)
    model=$(checkpoint) || exit 1
    peer parity.py "${ours[@]}" --model "$model" --output "$results/parity.json"
    ;;
memcheck | racecheck) sanitizer "$1" ;;
nvrtc)
    folder=$(nvrtc_folder) || missing "doctor found no NVRTC"
    if [ "$smoke" = 1 ]; then
        missing "the emulated NVRTC makes no machine code"
    fi
    PIXIO_TEST_NVRTC=$folder tests PixioCuda.Nvrtc.Tests -class '*KernelCatalogTests' -class '*CompilationTests' -class '*LayoutTests'
    ;;
ceilings)
    [ "$smoke" = 0 ] || export PIXIO_BENCH_SMOKE=1
    program PixioCuda.Bench ceilings >"$results/ceilings.json"
    code=$?
    cat "$results/ceilings.json"
    say "copy $(value_of gb_per_second "$results/ceilings.json") GB/s, matmul $(value_of tflop_per_second "$results/ceilings.json") TFLOP/s"
    exit $code
    ;;
ceilings-torch) peer ceilings.py --output "$results/ceilings-torch.json" ;;
batch-*) bench "$1" --batch "$(batch "${1#batch-}")" ;;
size-*)
    side=${1#size-}
    for batch in 1 8; do
        size=${side}x$side
        [ "$smoke" = 0 ] || size=$((side / 8))x$((side / 8))
        bench "$1-batch-$batch" --batch $batch --size "$size" || exit 1
    done
    ;;
profile-*) profile "$(batch "${1#profile-}")" "$1" ;;
preprocess)
    model=$(checkpoint) || exit 1
    # Pictures and rounds: about ten seconds of ViT-H.
    pictures=1200 rounds=3
    [ "$smoke" = 0 ] || pictures=1 rounds=1
    program PixioCuda.Bench pipeline preprocess "$model" $pictures $rounds >"$results/preprocess.txt"
    code=$?
    cat "$results/preprocess.txt"
    say "$(grep 'decoding:' "$results/preprocess.txt" | sed 's/; the same bits//' | paste -sd ';')"
    exit $code
    ;;
load) load ;;
tiles)
    [ "$smoke" = 0 ] || missing "the products of ViT-H are not for smoke runs"
    program PixioCuda.Bench tiles >"$results/tiles.txt"
    code=$?
    cat "$results/tiles.txt"
    say "$(wc -l <"$results/tiles.txt") lines in tiles.txt"
    exit $code
    ;;
eager) compare "$1" eager 1 8 32 64 128 ;;
compile-*) compare "$1" compile "${1#compile-}" ;;
autotune-*) compare "$1" autotune "${1#autotune-}" ;;
*)
    echo "step.sh: there is no step '${1:-}'; run-all.sh --list names them." >&2
    exit 2
    ;;
esac
