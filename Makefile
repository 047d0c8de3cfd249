# The commands of this repository. `make run` and `make test` are all that a newcomer needs.
CONFIGURATION ?= Release
CLI := engine/PixioCuda.Cli/bin/$(CONFIGURATION)/net10.0/pixio
SAMPLE := tests/data/images/cat.png
MODEL ?= random:vitb16

.PHONY: build run test test-fast fuzz mutate soak pack bundle bundle-smoke format lint clean
.PHONY: bench bench-hub bench-hosting bench-pipeline bench-load bench-cuda-host bench-peers

# Leaves the command at bin/pixio.
build:
	dotnet build PixioCuda.sln -c $(CONFIGURATION) -v quiet -nologo
	@mkdir -p bin && ln -sfn ../$(CLI) bin/pixio
	@echo "built bin/pixio"

# The main job: embeds the sample photo and draws its features. MODEL=path/to/checkpoint takes real weights.
run: build
	@mkdir -p out
	bin/pixio embed $(SAMPLE) --model $(MODEL)
	bin/pixio show $(SAMPLE) --model $(MODEL) --output out/features.png

# Every test; the last line counts them.
test: build
	@tests/run.sh

# Without the full-width models, the soak and published hosts: half a minute instead of a few.
test-fast: build
	@tests/run.sh -trait- "Category=Full width" -trait- "Category=Soak" -trait- "Category=Publish"

# Every parser of foreign bytes against 100,000 damaged files (make test: 5,000); a few minutes.
fuzz: build
	@PIXIO_FUZZ_MUTANTS=100000 tests/run.sh -trait "Category=Fuzz"

# Takes away each barrier, wait, fence, commit and tail mask of the kernels in turn, and confuses phases, arrivals and swizzles; their tests
# must notice, or tests/mutants.json say why not.
# Of some sources only: make mutate FILES="gemm.cu panel.cuh".
mutate: build
	PIXIO_TEST_MUTANTS_OF="$(FILES)" tests/PixioCuda.Cuda.Tests/bin/$(CONFIGURATION)/net10.0/PixioCuda.Cuda.Tests -noColor -showLiveOutput -explicit only \
	  -class PixioCuda.Cuda.Tests.MutationTests

# A host's worst day on the CPU and on the emulated driver, 16 threads each (make test: 30 seconds). SOAK_SECONDS for both together.
SOAK_SECONDS ?= 600
soak: build
	@PIXIO_SOAK_SECONDS=$$(( $(SOAK_SECONDS) / 2 )) PROGRAMS="PixioCuda.Tests PixioCuda.Cuda.Tests" tests/run.sh -showLiveOutput -diagnostics -trait "Category=Soak"

# The packages, with their symbols, into out/packages: PixioCuda, PixioCuda.Skia, PixioCuda.Extensions.AI, and pixio as a dotnet tool.
pack: build
	rm -rf out/packages
	dotnet pack PixioCuda.sln -c $(CONFIGURATION) --no-build -o out/packages -v quiet -nologo
	@ls -l out/packages

# A short job of every benchmark and one table; results are checked before they are measured.
# BENCH="--filter *Cuda*" takes some of them.
bench: build
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll $(BENCH)

# The rate of a download of 1 GB from this machine, beside curl's; takes 2 GB of disk for a while.
bench-hub: build
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll hub

# From files to features: decode alone, the pipeline beside the engine alone, memory of 100,000 pictures beside that of 10,000.
bench-pipeline: build
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll pipeline decode
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll pipeline engine
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll pipeline memory

# Loading ViT-H onto the CPU, packing included, beside a plain read of the same bytes, and its peak memory; takes 2.5 GB of disk for a while.
bench-load: build
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll load

# What the CUDA engine's host side takes, on the emulated driver: until it is ready, and around each run.
bench-cuda-host: build
	bench/cuda-host.sh

# The CPU forward pass beside ONNX Runtime's on the same weights, by turns, after both were found to agree. The package of ONNX Runtime is
# large, so nothing else builds this program. PEERS="--model random:vith16 --batch 4" compares another model.
bench-peers:
	dotnet build bench/peers -c $(CONFIGURATION) -v quiet -nologo
	dotnet bench/peers/bin/$(CONFIGURATION)/net10.0/PixioCuda.Peers.dll $(PEERS)

# One archive for a GPU host without .NET or network; docs/hardware/README.md says how it is run there.
bundle: build
	bench/bundle/bundle.sh artifacts/pixio-bundle.tar.xz

# Makes it and runs all of it that needs no GPU, on the emulated driver: a few minutes.
bundle-smoke: bundle
	bench/bundle/smoke.sh artifacts/pixio-bundle.tar.xz

# 64 concurrent callers beside batches of 64, and the first embedding of a host of native code beside the steady ones of a managed host.
bench-hosting: build
	dotnet bench/bin/$(CONFIGURATION)/net10.0/PixioCuda.Bench.dll hosting
	bench/aot.sh

format:
	dotnet format PixioCuda.sln --no-restore

# What the build does not check already: the formatting.
lint: build
	dotnet format PixioCuda.sln --no-restore --verify-no-changes

clean:
	rm -rf bin out artifacts BenchmarkDotNet.Artifacts
	find engine interop kernels bench tests -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +
