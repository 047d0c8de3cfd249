#!/usr/bin/env bash
# Makes one archive of the built programs for a Linux host (x86-64) with a GPU, its driver and an NVRTC, and without .NET or network:
#   bench/bundle/bundle.sh FILE.tar.xz
# The .NET runtime once for all programs, the command pixio, the tests that run on a GPU, the benchmarks, the scripts that run them and the
# reference data. Fails where the archive, or the archive and the repository's files together, outgrow what they may have.
set -euo pipefail
cd "$(dirname "$0")/../.."
archive=$(realpath -m "${1:?usage: bench/bundle/bundle.sh FILE.tar.xz}")
configuration=${CONFIGURATION:-Release}
most_archive=$((35 * 1000 * 1000))
most_together=$((60 * 1000 * 1000))

# "Microsoft.NETCore.App 10.0.1 [/usr/share/dotnet/shared/Microsoft.NETCore.App]"
line=$(dotnet --list-runtimes | grep '^Microsoft\.NETCore\.App 10\.' | tail -n 1)
version=$(awk '{ print $2 }' <<<"$line")
shared=$(sed 's/.*\[\(.*\)\]/\1/' <<<"$line")/$version
dotnet_root=$(dirname "$(dirname "$(dirname "$shared")")")
if [ "$(uname -sm)" != "Linux x86_64" ] || [ ! -x "$dotnet_root/dotnet" ]; then
    echo "A bundle is made on x86-64 Linux with a .NET 10 SDK, whose runtime it carries; there is none in '$dotnet_root'." >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/pixio-bundle
app=$root/app
mkdir -p "$app" "$root/bin" "$root/bench" "$(dirname "$archive")"

# BenchmarkDotNet, which brings a compiler, would be a tenth of it, and xunit's other test platforms are used by nothing here.
unused='BenchmarkDotNet.*|Perfolizer|CommandLine|Pragmastat.*|Microsoft\.CodeAnalysis.*|Microsoft\.Diagnostics\..*|Iced'
unused+='|Gee\.External\.Capstone|libcapstone|System\.(CodeDom|Management)|Dia2Lib|TraceReloggerLib|OSExtensions'
unused+='|Microsoft\.ApplicationInsights|Microsoft\.Testing\.Extensions\..*'
for program in engine/PixioCuda.Cli tests/PixioCuda.Cuda.Tests tests/PixioCuda.Nvrtc.Tests bench; do
    built=$program/bin/$configuration/net10.0
    for file in "$built"/*.dll "$built"/*.runtimeconfig.json "$built"/runtimes/linux-x64/native/*.so; do
        name=$(basename "$file")
        if [ ! -e "$file" ] || grep -qE "^($unused)\.(dll|so)$" <<<"$name"; then
            continue
        fi
        # One folder for all: what has one name must be one file.
        if [ -e "$app/$name" ] && ! cmp -s "$file" "$app/$name"; then
            echo "$file is another file than the other programs' $name: build the whole solution." >&2
            exit 1
        fi
        cp "$file" "$app/$name"
    done
done

# The runtime, once, without what none of the programs can reach.
runtime=$root/runtime
mkdir -p "$runtime/host/fxr/$version" "$runtime/shared/Microsoft.NETCore.App/$version"
cp "$dotnet_root/dotnet" "$dotnet_root/LICENSE.txt" "$dotnet_root/ThirdPartyNotices.txt" "$runtime/"
cp "$dotnet_root/host/fxr/$version/libhostfxr.so" "$runtime/host/fxr/$version/"
target=$runtime/shared/Microsoft.NETCore.App/$version
dotnet "bench/bin/$configuration/net10.0/PixioCuda.Bench.dll" copy-runtime "$app" "$shared" "$target"

cp bench/bundle/run-all.sh bench/bundle/step.sh "$root/"
mkdir -p "$root/bench/peers"
cp bench/peers/*.py "$root/bench/peers/"
cp LICENSE docs/hardware/README.md "$root/"
# The reference data without the pictures of the decoders' tests, which need no GPU.
git ls-files tests/data | grep -vE '^tests/data/images/' | xargs cp --parents -t "$root"
# cat.png for the commands, the others for the pipeline.
cp --parents -t "$root" tests/data/images/{cat.png,rocket.jpg,astronaut-420.jpg,coffee-444.jpg,big-2048.jpg,README.md}
cat >"$root/bin/pixio" <<'PIXIO'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
DOTNET_ROOT=$root/runtime exec "$root/runtime/dotnet" "$root/app/pixio.dll" "$@"
PIXIO
chmod +x "$root/bin/pixio" "$root"/*.sh
changes=$(git status --porcelain)
echo "$(git rev-parse HEAD)${changes:+ with changes}, made $(date -u +%F), .NET $version" >"$root/COMMIT"

# What packs code best does not pack float32 numbers best: the reference data come last, as a stream of their own in the one xz file.
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf "$work/bundle.tar" --exclude=pixio-bundle/tests pixio-bundle
code=$(stat -c %s "$work/bundle.tar")
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -rf "$work/bundle.tar" pixio-bundle/tests
begin=$((512 * $(tar -tRf "$work/bundle.tar" | sed -nE 's/^block ([0-9]+): pixio-bundle\/tests\/$/\1/p')))
if [ "$begin" -le 0 ] || [ "$begin" -gt "$code" ]; then
    echo "The reference data were not found in the archive." >&2
    exit 1
fi
head -c "$begin" "$work/bundle.tar" | xz --x86 --lzma2=preset=9e,nice=273,lc=3,lp=1,pb=2 -c >"$archive.part"
tail -c "+$((begin + 1))" "$work/bundle.tar" | xz --lzma2=preset=9e,lc=1,lp=2,pb=2 -c >>"$archive.part"
mv "$archive.part" "$archive"

bytes=$(stat -c %s "$archive")
repository=$(git ls-files -z | xargs -0 cat | wc -c)
echo "$archive: $bytes bytes ($(stat -c %s "$work/bundle.tar") unpacked); with the repository's files $((bytes + repository)) bytes"
if [ "$bytes" -gt "$most_archive" ] || [ $((bytes + repository)) -gt "$most_together" ]; then
    echo "That is too much: the archive may have $most_archive bytes, and $most_together together with the repository's files." >&2
    exit 1
fi
