#!/usr/bin/env bash
# Fetches NVIDIA's run-time compiler and a driver library (which reports no device) from Debian's non-free section into the ignored folder
# .cuda/, for the tests that need them and no GPU. Nothing is installed on the system. Does nothing when they are there already.
#   .cuda/nvrtc/    libnvrtc.so.12, libnvrtc-builtins.so.12.4
#   .cuda/driver/   libcuda.so.1
set -euo pipefail
cd "$(dirname "$0")/.."
release=trixie # the first Debian release with NVRTC 12
target=.cuda

if [ -e $target/nvrtc/libnvrtc.so.12 ] && [ -e $target/driver/libcuda.so.1 ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "NVRTC is fetched from Debian's amd64 packages; on this system install CUDA 12's NVRTC by hand and set PIXIO_TEST_NVRTC to its folder." >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
# The mirror is the one that this machine already uses.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -vE '^ *#' | grep -oE '[a-z+]+://[^ ]*/debian/?( |$)' | head -n 1 || true)
if [ -z "$mirror" ]; then
    echo "No Debian mirror stands in /etc/apt, from which NVRTC could be fetched." >&2
    exit 1
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $release non-free" >"$work/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache::archives=$work/archives" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$work/archives" && apt-get "${options[@]}" download libnvrtc12 libnvrtc-builtins12.4 libcuda1)
for package in "$work"/archives/*.deb; do
    dpkg -x "$package" "$work/root"
done
libraries="$work/root/usr/lib/x86_64-linux-gnu"
rm -rf "$target"
mkdir -p "$target/nvrtc" "$target/driver"
cp -a "$libraries"/libnvrtc*.so* "$target/nvrtc/"
cp -a "$libraries"/nvidia/current/libcuda.so* "$target/driver/"
echo "fetched $(ls -1 $target/nvrtc/libnvrtc.so.12.* | head -n 1) and $(ls -1 $target/driver/libcuda.so.[0-9][0-9]* | head -n 1)"
