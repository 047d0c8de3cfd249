// C[M, N] = epilogue(A[M, K] W[N, K]^T) in bf16 or f16 on the tensor cores of sm_90a for few rows: what gemm_sm90.cu computes, with the same
// bits where SPLITS is 1.
//
// Precision   As gemm_sm90.cu. K may be split among the blocks of a cluster: each part is summed in one accumulator, ascending, and the
//             parts are added in their order. So bits depend on SPLITS, which the number of rows decides; they are the same in every run.
// Folding     As gemm_sm90.cu.
// Mapping     One tile of C to a block. Weights are wgmma's rows, 64 to a warpgroup, and tokens its columns: any multiple of 8 of them,
//             where the other way round 264 tokens are five tiles of 64. Of one more warpgroup a warp copies, and the others put moments
//             together. A cluster is CLUSTER_M blocks along the tokens x CLUSTER_N along the weights x SPLITS along K.
// Pipeline    As gemm_sm90.cu: STAGES slices of 64 columns, of which blocks that need the same rows fetch a part each for all of them.
// Shared      [STAGES][BLOCK_M + BLOCK_N][64], rows of 128 bytes swizzled over 8 rows; then two mbarriers for each stage. After the
//             products, in the stages: sums as float32, [BLOCK_M][BLOCK_N + 4], which the blocks of a cluster read from each other. Where
//             folding can apply, behind the mbarriers: mean and scale of the tokens, [BLOCK_M].
// Way out     A lane has one weight of a token and shared memory turns that round: 4 columns of C a lane, whole rows of the tile a warp.
//             16 lanes have the 64 columns of which moments are taken.
// Roofline    2 M N K FLOP. A is asked for ceil(N / (CLUSTER_N * BLOCK_N)) times, W ceil(M / (CLUSTER_M * BLOCK_M)) times. Bound by what
//             the second-level cache gives, and by what one multiprocessor can take. Reached: not yet measured on a GPU.
#define WGMMA_COLUMNS BLOCK_M
#include "cluster.cuh"
#include "epilogue.cuh"
#include "folding.cuh"
#include "mbarrier.cuh"
#include "memory.cuh"
#include "sync.cuh"
#include "tensor_copy.cuh"
#include "wgmma.cuh"

using Element = ELEMENT;
using Output = OUTPUT;

constexpr Epilogue kEpilogue = Epilogue::EPILOGUE;
/// What it can do for a LayerNorm, where the launch gives moments: norm sums, or leave a copy.
constexpr bool kCanNorm = kEpilogue == Epilogue::kBias || kEpilogue == Epilogue::kBiasGelu;
constexpr bool kCanPrepare = kEpilogue == Epilogue::kBiasResidual;
constexpr u32 kBlockM = BLOCK_M, kBlockN = BLOCK_N, kBlockK = 64;
constexpr u32 kStages = STAGES;
constexpr u32 kClusterM = CLUSTER_M, kClusterN = CLUSTER_N, kSplits = SPLITS;
constexpr u32 kSharers = kClusterM * kClusterN, kCluster = kSharers * kSplits;
constexpr u32 kConsumers = kBlockN / 64, kConsumerThreads = kConsumers * kWarpgroupSize;
constexpr u32 kThreads = kConsumerThreads + kWarpgroupSize;
constexpr u32 kBlocksPerSm = 1;

constexpr u32 kRowBytes = kBlockK * sizeof(Element);
constexpr u32 kStageBytes = (kBlockM + kBlockN) * kRowBytes;
/// From one token's sums to the next: the 8 x 4 lanes of a warp then write to 32 banks.
constexpr u32 kPitch = kBlockN + 4;
constexpr u32 kVector = 4;    // columns of C that a lane finishes at a time
/// Warps that let go of a stage: those of a block, and of all blocks into which it copies, that is in its row and column of the cluster.
constexpr u32 kReleases = kConsumers * kWarpgroupSize / kWarpSize * (kClusterM + kClusterN - 1);

static_assert(sizeof(Element) == 2 && (kSame<Output, Element> || kSame<Output, f32>));
static_assert(kEpilogue != Epilogue::kBiasResidual || kSame<Output, f32>, "the residual stream is float32");
static_assert(kRowBytes == 128, "the span of the swizzle");
static_assert(kBlockN % 64 == 0 && kConsumers <= 3 && kBlockM % 8 == 0 && kBlockM <= (kConsumers == 3 ? 176 : 256), "sums of a lane");
static_assert(kCluster <= 16);
static_assert(kBlockM * kPitch * sizeof(float) <= kStages * kStageBytes, "the sums take the stages' place");

struct GemmFewSm90Args {
    TensorMap a, a_last;       // [m, k] in boxes of 64 columns and the rows of a part, and of the last part
    TensorMap w, w_last;       // [n, k], likewise
    const float* bias;         // [n]
    const float* residual;     // [m, n]; may be c
    Output* c;                 // [m, n]
    u32 m, n, k;
    float eps;                 // of the LayerNorm that is folded
    Moments* moments;          // of A, [m, k / 64], where folding applies; of C, [m, n / 64], where it prepares; else null
    const float* row_sums;     // [n]: of W, where folding applies, else null
    Element* copy;             // [m, n]: C for the next product, where folding prepares, else null
};

using Sums = float[kBlockM / 2];
using Place = RingPlace<kStages>;

/// The rows of a tile in parts, one for each of the blocks that share it, whole groups of the swizzle's 8; the last part may be smaller,
/// and some blocks have none.
template <u32 kTileRows, u32 kBlocks>
struct Parts {
    static constexpr u32 kRows = 8 * ceil_div(kTileRows / 8, kBlocks);
    static constexpr u32 kCount = ceil_div(kTileRows, kRows);
};
using PartsM = Parts<kBlockM, kClusterN>;
using PartsN = Parts<kBlockN, kClusterM>;

/// The stages and their mbarriers.
struct Ring : RingBarriers<kStages> {
    SharedAddress stages;

    DEVICE_MEMBER explicit Ring(SharedAddress place) : RingBarriers<kStages>{place + kStages * kStageBytes}, stages(place) {}
    DEVICE_MEMBER SharedAddress a(u32 stage) const { return stages + stage * kStageBytes; }
    DEVICE_MEMBER SharedAddress w(u32 stage) const { return a(stage) + kBlockM * kRowBytes; }
    DEVICE_MEMBER SharedAddress scale(u32 token) const { return full(2 * kStages + token); }
};

/// The block's tile, its part of K, and its place in the cluster: ranks count along m first, then n, then K.
struct Work {
    u32 m, n, split;
    u32 row, column;             // of the tile's first element
    u32 first_slice, slices;
    u32 first_token, end_token;  // of the tile, those that it finishes: its part where blocks share K

    DEVICE_MEMBER explicit Work(const GemmFewSm90Args& args) {
        u32 rank = kCluster == 1 ? 0 : cluster_rank(), rows = ceil_div(args.m, kClusterM * kBlockM), cluster = blockIdx.x / kCluster;
        m = rank % kClusterM, n = rank / kClusterM % kClusterN, split = rank / kSharers;
        row = (cluster % rows * kClusterM + m) * kBlockM;
        column = (cluster / rows * kClusterN + n) * kBlockN;
        u32 all = ceil_div(args.k, kBlockK), part = ceil_div(all, kSplits);
        first_slice = min_of(split * part, all);
        slices = min_of(part, all - first_slice);
        constexpr u32 kTokens = ceil_div(kBlockM, kSplits);
        first_token = split * kTokens;
        end_token = min_of(min_of(first_token + kTokens, kBlockM), args.m - min_of(args.m, row));
    }

    /// The block of the cluster that has the same tile's sums along another part of K.
    DEVICE_MEMBER u32 rank_of_split(u32 other) const { return m + kClusterM * n + kSharers * other; }
};

/// This block's part of a slice, for the blocks of the cluster in `ranks`: those that share the tile's rows `y` to `y` + kTileRows - 1.
template <typename Parts, bool kShared>
DEVICE void load_part(
    SharedAddress to, const TensorMap& map, const TensorMap& last, u32 part, u32 slice, u32 y, SharedAddress barrier, u32 ranks) {
    if (part < Parts::kCount) {
        const TensorMap& box = part + 1 == Parts::kCount ? last : map;
        SharedAddress place = to + part * Parts::kRows * kRowBytes;
        i32 column = static_cast<i32>(slice * kBlockK), row = static_cast<i32>(y + part * Parts::kRows);
        if constexpr (kShared)
            tensor_load_multicast(place, box, column, row, barrier, static_cast<u16>(ranks));
        else
            tensor_load(place, box, column, row, barrier);
    }
}

/// Announces a slice to this block's stage, and fetches this block's part of its W for the blocks with the same columns.
DEVICE void load_w(const GemmFewSm90Args& args, const Ring& ring, const Work& work, u32 stage, u32 slice) {
    mbarrier_arrive_expect_bytes(ring.full(stage), kStageBytes);
    u32 ranks = ((1u << kClusterM) - 1) << (work.rank_of_split(work.split) - work.m);
    load_part<PartsN, (kClusterM > 1)>(
        ring.w(stage), args.w, args.w_last, work.m, work.first_slice + slice, work.column, ring.full(stage), ranks);
}

/// This block's part of a slice of A, for the blocks with the same rows.
DEVICE void load_a(const GemmFewSm90Args& args, const Ring& ring, const Work& work, u32 stage, u32 slice) {
    u32 ranks = 0;
    UNROLL for (u32 n = 0; n < kClusterN; n++) ranks |= 1u << (work.m + n * kClusterM + work.split * kSharers);
    load_part<PartsM, (kClusterN > 1)>(
        ring.a(stage), args.a, args.a_last, work.n, work.first_slice + slice, work.row, ring.full(stage), ranks);
}

/// One thread fetches the slices.
DEVICE void produce(const GemmFewSm90Args& args, const Ring& ring, const Work& work) {
    prefetch_tensor_map(args.w);
    prefetch_tensor_map(args.a);
    // All stages are free in the beginning. W may be read while the kernel in front of this one runs, A may not.
    u32 ahead = min_of(work.slices, kStages);
    ROLLED for (u32 slice = 0; slice < ahead; slice++) load_w(args, ring, work, slice, slice);
    wait_for_dependencies();
    Place place;
    ROLLED for (u32 slice = 0; slice < ahead; slice++, place.advance()) load_a(args, ring, work, slice, slice);
    ROLLED for (u32 slice = ahead; slice < work.slices; slice++, place.advance()) {
        mbarrier_wait_cluster(ring.empty(place.stage), place.phase ^ 1);
        load_w(args, ring, work, place.stage, slice);
        load_a(args, ring, work, place.stage, slice);
    }
}

/// The warp has ended its products from a stage: the blocks that copy into it may, those in this one's row and column of the cluster.
DEVICE void release(const Ring& ring, const Work& work, u32 stage) {
    if constexpr (kSharers == 1) {
        if (lane_index() == 0)
            mbarrier_arrive(ring.empty(stage));
    } else {
        u32 lane = lane_index();
        bool copies_here = lane < kSharers && (lane % kClusterM == work.m || lane / kClusterM == work.n);
        if (copies_here)
            mbarrier_arrive_at(ring.empty(stage), lane + work.split * kSharers);
    }
}

/// What LayerNorm does to the block's tokens, by the warps that neither copy nor multiply; four lanes put a token's moments together.
DEVICE void leave_scales(const GemmFewSm90Args& args, const Ring& ring, const Work& work) {
    constexpr u32 kFirstWarp = kConsumerThreads / kWarpSize + 1, kWarps = kThreads / kWarpSize - kFirstWarp, kTokens = kWarpSize / 4;
    for (u32 first = work.first_token + (warp_index() - kFirstWarp) * kTokens; first < work.end_token; first += kWarps * kTokens) {
        u32 token = first + lane_index() / 4, rows[1] = {work.row + min_of(token, work.end_token - 1)};
        RowScale scales[1];
        load_row_scales<Element>(scales, args.moments, rows, args.k / kMomentColumns, args.eps);
        if (token < work.end_token && lane_index() % 4 == 0)
            store_shared8(ring.scale(token), as_bits(scales[0].mean) | static_cast<u64>(as_bits(scales[0].scale)) << 32);
    }
}

/// Sums of the warpgroup's 64 weights with all tokens of the tile; the products of two slices are under way at a time.
DEVICE void multiply(Sums& sums, const Ring& ring, const Work& work, u32 warpgroup) {
    clear_sums(sums);
    Place place;
    u32 last_stage = 0;
    ROLLED for (u32 slice = 0; slice < work.slices; slice++) {
        u32 stage = place.stage;
        mbarrier_wait(ring.full(stage), place.phase);
        SharedAddress w = ring.w(stage) + warpgroup * 64 * kRowBytes, a = ring.a(stage);
        wgmma_fence();
        UNROLL for (u32 step = 0; step < kBlockK / 16; step++) {
            u64 w_matrix = matrix_descriptor<Swizzle::k128>(w + 32 * step, 0, 8 * kRowBytes);
            u64 a_matrix = matrix_descriptor<Swizzle::k128>(a + 32 * step, 0, 8 * kRowBytes);
            wgmma_shared<kBlockM, Element>(sums, w_matrix, a_matrix, true);
        }
        wgmma_commit();
        if (slice > 0) {
            wgmma_wait<1>();
            release(ring, work, last_stage);
        }
        last_stage = stage;
        place.advance();
    }
    wgmma_wait<0>(sums);
    // The last stages are fetched into no more: nobody waits for them.
}

/// The warpgroup's sums to shared memory, [token][weight].
DEVICE void leave_sums(const Sums& sums, SharedAddress to, u32 warpgroup) {
    u32 g = lane_index() / 4, t = lane_index() % 4;
    SharedAddress place = to + (2 * t * kPitch + warpgroup * 64 + warp_index() % 4 * 16 + g) * sizeof(float);
    UNROLL for (u32 i = 0; i < kBlockM / 2; i++) {
        u32 token = i / 4 * 8 + i % 2, weight = i / 2 % 2 * 8;
        store_shared4(place + (token * kPitch + weight) * sizeof(float), as_bits(sums[i]));
    }
}

/// Four neighbouring sums of a token, of all parts of K.
DEVICE void gather(const Work& work, SharedAddress from, float (&sums)[kVector]) {
    if constexpr (kSplits == 1) {
        Words4 words = load_shared16(from);
        sums[0] = as_float(words.x), sums[1] = as_float(words.y), sums[2] = as_float(words.z), sums[3] = as_float(words.w);
    } else {
        Words4 parts[kSplits];
        UNROLL for (u32 i = 0; i < kSplits; i++) parts[i] = load_shared16_at(from, work.rank_of_split(i));
        UNROLL for (u32 j = 0; j < kVector; j++) sums[j] = 0;
        UNROLL for (u32 i = 0; i < kSplits; i++) {
            sums[0] += as_float(parts[i].x), sums[1] += as_float(parts[i].y);
            sums[2] += as_float(parts[i].z), sums[3] += as_float(parts[i].w);
        }
    }
}

/// Sums of a token become results.
DEVICE void finish_sums(
    const GemmFewSm90Args& args, const Ring& ring, u32 token, u64 place, float (&sums)[kVector], const float (&bias)[kVector],
    const float (&row_sums)[kVector]) {
    if constexpr (kCanNorm) {
        RowScale scale = {0, 1};    // of no norm: the same bits as without
        if (args.moments != nullptr) {
            u64 words = load_shared8(ring.scale(token));
            scale = {as_float(static_cast<u32>(words)), as_float(static_cast<u32>(words >> 32))};
        }
        UNROLL for (u32 i = 0; i < kVector; i++) sums[i] = normed(sums[i], scale, row_sums[i], bias[i]);
        finish<kEpilogue == Epilogue::kBiasGelu ? Epilogue::kGelu : Epilogue::kNone, Output>(sums, bias, bias);
    } else {
        float residual[kVector] = {};
        if constexpr (kEpilogue == Epilogue::kBiasResidual)
            load_floats(args.residual + place, residual);
        finish<kEpilogue, Output>(sums, bias, residual);
    }
}

/// The block's tokens on their way out.
DEVICE void finish_tile(const GemmFewSm90Args& args, const Ring& ring, const Work& work) {
    constexpr u32 kLanes = kBlockN / kVector, kStep = kConsumerThreads / kLanes;
    u32 lane = threadIdx.x % kLanes, column = work.column + lane * kVector;
    float bias[kVector] = {}, row_sums[kVector] = {};
    if (column < args.n) {
        if constexpr (kEpilogue != Epilogue::kNone)
            load_floats(args.bias + column, bias);
        if (kCanNorm && args.row_sums != nullptr)
            load_floats(args.row_sums + column, row_sums);
    }
    UNROLL_TWICE for (u32 first = work.first_token; first < work.end_token; first += kStep) {
        u32 token = first + threadIdx.x / kLanes;
        bool exists = token < work.end_token && column < args.n;
        u64 place = static_cast<u64>(work.row + token) * args.n + column;
        float values[kVector] = {};
        if (exists) {
            gather(work, ring.stages + (token * kPitch + lane * kVector) * sizeof(float), values);
            finish_sums(args, ring, token, place, values, bias, row_sums);
            store_floats(args.c + place, values);
        }
        if (kCanPrepare && args.copy != nullptr) {
            Moments moments = moments_of<kMomentColumns / kVector>(values);    // all lanes come to it
            if (exists) {
                UNROLL for (u32 i = 0; i < kVector; i++) values[i] *= kCopyFactor<Element>;
                store_floats(args.copy + place, values);
                if (lane % (kMomentColumns / kVector) == 0)
                    store8(args.moments + place / kMomentColumns, as_bits(moments.mean) | static_cast<u64>(as_bits(moments.squares)) << 32);
            }
        }
    }
}

KERNEL(gemm_few_sm90, GemmFewSm90Args) {
    SHARED_MEMORY(smem);
    const Ring ring(shared_address(smem));
    const Work work(args);
    if (threadIdx.x == 0)
        ring.init(kReleases);
    meet<kCluster>();    // the mbarriers are there
    launch_dependents();
    if (threadIdx.x >= kConsumerThreads) {
        if (warp_index() == kConsumerThreads / kWarpSize) {
            if (elect_one())
                produce(args, ring, work);
            warp_sync();    // barrier.cluster wants its lanes together
        } else if (kCanNorm && args.moments != nullptr) {
            wait_for_dependencies();
            leave_scales(args, ring, work);
        }
    } else {
        u32 warpgroup = threadIdx.x / kWarpgroupSize;
        Sums sums;
        // The residual, and C where something in front of this kernel still reads what lay there.
        wait_for_dependencies();
        multiply(sums, ring, work, warpgroup);
        barrier_sync(1, kConsumerThreads);    // all products have read the stages
        leave_sums(sums, ring.stages, warpgroup);
    }
    // The sums are there: those of this block, or of the cluster.
    if constexpr (kSplits == 1)
        block_sync();
    else
        meet<kCluster>();
    if (threadIdx.x < kConsumerThreads)
        finish_tile(args, ring, work);
    // Until then other blocks read this one's sums, and arrive at its mbarriers.
    if constexpr (kCluster > 1) {
        warp_sync();
        meet<kCluster>();
    }
}
