// C[M, N] = epilogue(A[M, K] W[N, K]^T) in bf16 or f16 on the tensor cores of sm_90a: what gemm.cu computes, by wgmma and tensor copies.
//
// Precision   ELEMENT is bf16 or f16. Products are summed in float32 by wgmma of 16 along K, ascending in one accumulator, whatever
//             the tile: every configuration gives the same bits. Bias is float32; OUTPUT is ELEMENT, or f32 with a residual of f32; one
//             rounding.
// Folding     LayerNorm has no kernel of its own (folding.cuh): a product with a residual can leave a copy of C in ELEMENT and moments of
//             every 64 columns, and a product of such a copy norms its sums. Whether it does is decided by the launch, and nothing else
//             differs: a norm of mean 0 and scale 1 gives the bits of none. So the few products of a pass that have no part in it need
//             no kernel of their own.
// Mapping     Persistent: a cluster of CLUSTER_M x CLUSTER_N blocks goes through tiles of as many BLOCK_M x BLOCK_N, in bands as in
//             gemm.cu. One warpgroup copies; CONSUMERS warpgroups multiply, which share the rows of a tile, or (PING_PONG) take tiles in
//             turn, so that one multiplies while the other is busy with its epilogue. A warpgroup has 64 or 128 rows of BLOCK_N sums in
//             registers.
// Pipeline    STAGES slices of 64 columns in shared memory, filled by tensor copies. Blocks of a cluster that need the same rows of W,
//             or of A, fetch a part each for all of them. Weights of the first slices are fetched before the kernel in front of this one
//             has ended.
// Shared      [STAGES][BLOCK_M + BLOCK_N][64], rows of 128 bytes swizzled over 8 rows; then two mbarriers for each stage.
// Way out     Lanes of four exchange sums until each has 16 bytes of a row, then store: whole sectors, no shared memory. Four lanes share
//             the rows' moments too: those of A are read and put together in front of a tile's products.
// Roofline    2 M N K FLOP. A is asked for ceil(N / (CLUSTER_N * BLOCK_N)) times, W ceil(M / (CLUSTER_M * BLOCK_M)) times; DRAM sees
//             each once when the bands hold. With M >= 2 BLOCK_M bound by tensor cores; with few rows by reading W. Reached: not yet
//             measured on a GPU.
#define WGMMA_COLUMNS BLOCK_N
#include "cluster.cuh"
#include "epilogue.cuh"
#include "folding.cuh"
#include "mbarrier.cuh"
#include "memory.cuh"
#include "quad_exchange.cuh"
#include "sync.cuh"
#include "tensor_copy.cuh"
#include "tile_order.cuh"
#include "wgmma.cuh"

using Element = ELEMENT;
using Output = OUTPUT;

constexpr Epilogue kEpilogue = Epilogue::EPILOGUE;
constexpr u32 kBlockM = BLOCK_M, kBlockN = BLOCK_N, kBlockK = 64;
constexpr u32 kStages = STAGES;
constexpr u32 kConsumers = CONSUMERS;
constexpr bool kPingPong = PING_PONG;
/// What it can do for a LayerNorm, where the launch gives moments: norm sums, or leave a copy. Moments are taken within a tile.
constexpr bool kCanNorm = kEpilogue == Epilogue::kBias || kEpilogue == Epilogue::kBiasGelu;
constexpr bool kCanPrepare = kEpilogue == Epilogue::kBiasResidual && kBlockN % kMomentColumns == 0;
constexpr u32 kClusterM = CLUSTER_M, kClusterN = CLUSTER_N, kCluster = kClusterM * kClusterN;
constexpr u32 kThreads = (kConsumers + 1) * kWarpgroupSize;
constexpr u32 kBlocksPerSm = 1;

// What the warpgroups begin with, and what they need: the sums are most of it.
constexpr u32 kProducerRegisters = kConsumers == 3 ? 32 : 40;
constexpr u32 kConsumerRegisters = kConsumers == 3 ? 160 : 232;

constexpr u32 kRowBytes = kBlockK * sizeof(Element);
constexpr u32 kStageBytes = (kBlockM + kBlockN) * kRowBytes;
constexpr u32 kWarpgroupRows = kPingPong ? kBlockM : kBlockM / kConsumers;
constexpr u32 kTilesM = kWarpgroupRows / 64;
// What a block fetches of a slice: its part of the rows of A that it shares with blocks beside it, and of W with those below it. Parts
// begin where the swizzle does, so that of five blocks below each other four fetch W where its rows are no five times eight.
constexpr u32 kPartsN = kBlockN % (8 * kClusterM) == 0 ? kClusterM : kClusterM - 1;
constexpr u32 kPartM = kBlockM / kClusterN, kPartN = kBlockN / kPartsN;
/// Warps that let go of a stage: those of a block, and of all blocks into which it copies, that is in its row and column of the cluster.
constexpr u32 kReleases = (kPingPong ? 1 : kConsumers) * kWarpgroupSize / kWarpSize * (kClusterM + kClusterN - 1);

static_assert(sizeof(Element) == 2 && (kSame<Output, Element> || kSame<Output, f32>));
static_assert(kEpilogue != Epilogue::kBiasResidual || kSame<Output, f32>, "the residual stream is float32");
static_assert(kRowBytes == 128, "the span of the swizzle");
static_assert(kBlockN % 32 == 0 && kBlockN <= 256 && kWarpgroupRows % 64 == 0, "what fragments and their exchange are made for");
static_assert(kConsumers == 2 || (kConsumers == 3 && !kPingPong), "what the registers are divided for");
static_assert(kCluster <= 8 && kBlockM % (8 * kClusterN) == 0 && kBlockN % (8 * kPartsN) == 0, "parts begin where the swizzle does");
static_assert(kTilesM * kBlockN / 2 <= (kConsumers == 3 ? 96 : 192), "sums of a lane, beside which 40 registers are enough");

struct GemmSm90Args {
    TensorMap a;               // [m, k] in boxes of BLOCK_M / CLUSTER_N x 64
    TensorMap w;               // [n, k] in boxes of kPartN x 64
    const float* bias;         // [n]
    const float* residual;     // [m, n]; may be c
    Output* c;                 // [m, n]
    u32 m, n, k;
    u32 band;                  // tile rows of a band, of clusters
    Moments* moments;          // of A, [m, k / 64], where folding applies; of C, [m, n / 64], where it prepares; else null
    const float* row_sums;     // [n]: of W, where folding applies, else null
    Element* copy;             // [m, n]: C for the next product, where folding prepares, else null
    float eps;                 // of the LayerNorm that is folded
};

// A lane has sums of 2 rows of each 64.
constexpr u32 kRowsOfLane = 2 * kTilesM;

using Sums = float[kTilesM][kBlockN / 2];
using RowScales = RowScale[kRowsOfLane];
using Place = RingPlace<kStages>;

/// The stages and their mbarriers.
struct Ring : RingBarriers<kStages> {
    SharedAddress stages;

    DEVICE_MEMBER explicit Ring(SharedAddress place) : RingBarriers<kStages>{place + kStages * kStageBytes}, stages(place) {}
    DEVICE_MEMBER SharedAddress a(u32 stage) const { return stages + stage * kStageBytes; }
    DEVICE_MEMBER SharedAddress w(u32 stage) const { return a(stage) + kBlockM * kRowBytes; }
};

/// The tiles of this block: those of its cluster, of which it has one row and column.
struct Schedule {
    u32 rows, columns, band, slices;
    u32 m, n;    // its place in the cluster; ranks count along m first

    DEVICE_MEMBER explicit Schedule(const GemmSm90Args& args)
        : rows(ceil_div(args.m, kClusterM * kBlockM)), columns(ceil_div(args.n, kClusterN * kBlockN)), band(args.band),
          slices(ceil_div(args.k, kBlockK)), m(kCluster == 1 ? 0 : cluster_rank() % kClusterM),
          n(kCluster == 1 ? 0 : cluster_rank() / kClusterM) {}

    DEVICE_MEMBER u32 first() const { return blockIdx.x / kCluster; }
    DEVICE_MEMBER u32 step() const { return gridDim.x / kCluster; }
    DEVICE_MEMBER u32 count() const { return rows * columns; }
    DEVICE_MEMBER TileOrigin origin(u32 tile) const {
        TileOrigin in_cluster = banded_tile(tile, rows, columns, band);
        return {(in_cluster.row * kClusterM + m) * kBlockM, (in_cluster.column * kClusterN + n) * kBlockN};
    }
};

/// A part of a slice, rows from `y` on, for this block or for the blocks of the cluster in `ranks`.
template <bool kShared>
DEVICE void load_part(SharedAddress to, const TensorMap& map, u32 slice, u32 y, SharedAddress barrier, u32 ranks) {
    i32 column = static_cast<i32>(slice * kBlockK), row = static_cast<i32>(y);
    if constexpr (kShared)
        tensor_load_multicast(to, map, column, row, barrier, static_cast<u16>(ranks));
    else
        tensor_load(to, map, column, row, barrier);
}

/// Announces a slice to this block's stage, and fetches this block's part of its W for the blocks with the same columns.
DEVICE void load_w(const GemmSm90Args& args, const Ring& ring, const Schedule& schedule, u32 stage, u32 column, u32 slice) {
    mbarrier_arrive_expect_bytes(ring.full(stage), kStageBytes);
    u32 first = schedule.m * kPartN, ranks = ((1u << kClusterM) - 1) << schedule.n * kClusterM;
    if (schedule.m < kPartsN)
        load_part<(kClusterM > 1)>(ring.w(stage) + first * kRowBytes, args.w, slice, column + first, ring.full(stage), ranks);
}

/// This block's part of a slice of A, for the blocks with the same rows.
DEVICE void load_a(const GemmSm90Args& args, const Ring& ring, const Schedule& schedule, u32 stage, u32 row, u32 slice) {
    u32 first = schedule.n * kPartM, ranks = 0;
    UNROLL for (u32 n = 0; n < kClusterN; n++) ranks |= 1u << (schedule.m + n * kClusterM);
    load_part<(kClusterN > 1)>(ring.a(stage) + first * kRowBytes, args.a, slice, row + first, ring.full(stage), ranks);
}

/// One thread fetches the slices of all tiles.
DEVICE void produce(const GemmSm90Args& args, const Ring& ring, const Schedule& schedule) {
    prefetch_tensor_map(args.w);
    prefetch_tensor_map(args.a);
    // All stages are free in the beginning. W may be read while the kernel in front of this one runs, A may not.
    u32 ahead = min_of(schedule.slices, kStages);
    TileOrigin tile = schedule.origin(schedule.first());
    ROLLED for (u32 slice = 0; slice < ahead; slice++) load_w(args, ring, schedule, slice, tile.column, slice);
    wait_for_dependencies();
    Place place;
    ROLLED for (u32 slice = 0; slice < ahead; slice++, place.advance()) load_a(args, ring, schedule, slice, tile.row, slice);
    u32 slice = ahead;
    for (u32 number = schedule.first(); number < schedule.count(); number += schedule.step()) {
        tile = schedule.origin(number);
        ROLLED for (; slice < schedule.slices; slice++, place.advance()) {
            mbarrier_wait_cluster(ring.empty(place.stage), place.phase ^ 1);
            load_w(args, ring, schedule, place.stage, tile.column, slice);
            load_a(args, ring, schedule, place.stage, tile.row, slice);
        }
        slice = 0;
    }
}

/// The warp has ended its products from a stage: the blocks that copy into it may, those in this one's row and column of the cluster.
DEVICE void release(const Ring& ring, const Schedule& schedule, u32 stage) {
    if constexpr (kCluster == 1) {
        if (lane_index() == 0)
            mbarrier_arrive(ring.empty(stage));
    } else {
        u32 lane = lane_index();
        bool copies_here = lane < kCluster && (lane % kClusterM == schedule.m || lane / kClusterM == schedule.n);
        if (copies_here)
            mbarrier_arrive_at(ring.empty(stage), lane);
    }
}

// With tiles in turn, the warpgroup that has issued its last products of a tile lets the other one begin. Else that one would wait for
// phases so far ahead that their parity says nothing.
DEVICE void take_turn(u32 warpgroup) { barrier_sync(1 + warpgroup, 2 * kWarpgroupSize); }
DEVICE void pass_turn(u32 warpgroup) { barrier_arrive(2 - warpgroup, 2 * kWarpgroupSize); }

/// The row of C of this lane's i-th sums of a column.
DEVICE u32 row_of(TileOrigin tile, u32 first_row, u32 i) {
    return tile.row + first_row + warp_index() % 4 * 16 + lane_index() / 4 + 64 * (i / 2) + 8 * (i % 2);
}

/// What LayerNorm does to this lane's rows; where it is not folded, nothing. Behind the last row it is that row again.
DEVICE void load_scales(const GemmSm90Args& args, RowScales& scales, TileOrigin tile, u32 first_row) {
    if (args.moments == nullptr) {
        UNROLL for (u32 i = 0; i < kRowsOfLane; i++) scales[i] = {0, 1};
        return;
    }
    u32 rows[kRowsOfLane];
    UNROLL for (u32 i = 0; i < kRowsOfLane; i++) rows[i] = min_of(row_of(tile, first_row, i), args.m - 1);
    load_row_scales<Element>(scales, args.moments, rows, args.k / kMomentColumns, args.eps);
}

/// Sums of the warpgroup's rows of a tile, from `first_row` of it on; the products of two slices are under way at a time. With `passes`,
/// another tile follows.
DEVICE void multiply(
    Sums& sums, const Ring& ring, const Schedule& schedule, Place& place, u32 first_row, bool passes, u32 warpgroup) {
    UNROLL for (u32 i = 0; i < kTilesM; i++) {
        UNROLL for (u32 j = 0; j < kBlockN / 2; j++) sums[i][j] = 0;
    }
    u32 last_stage = 0;
    ROLLED for (u32 slice = 0; slice < schedule.slices; slice++) {
        u32 stage = place.stage;
        mbarrier_wait(ring.full(stage), place.phase);
        SharedAddress a = ring.a(stage) + first_row * kRowBytes, w = ring.w(stage);
        wgmma_fence();
        UNROLL for (u32 step = 0; step < kBlockK / 16; step++) {
            u64 w_matrix = matrix_descriptor<Swizzle::k128>(w + 32 * step, 0, 8 * kRowBytes);
            UNROLL for (u32 i = 0; i < kTilesM; i++) {
                u64 a_matrix = matrix_descriptor<Swizzle::k128>(a + i * 64 * kRowBytes + 32 * step, 0, 8 * kRowBytes);
                wgmma_shared<kBlockN, Element>(sums[i], a_matrix, w_matrix, true);
            }
        }
        wgmma_commit();
        if (slice > 0) {
            wgmma_wait<1>();
            release(ring, schedule, last_stage);
        }
        last_stage = stage;
        place.advance();
    }
    if (kPingPong && passes)
        pass_turn(warpgroup);
    UNROLL for (u32 i = 0; i < kTilesM; i++) wgmma_wait<0>(sums[i]);
    release(ring, schedule, last_stage);
}

/// Four results as the next product takes them.
DEVICE void store_copy(Element* to, Words4 words) {
    constexpr float kFactor = kCopyFactor<Element>;
    u32 low = pack2<Element>(as_float(words.x) * kFactor, as_float(words.y) * kFactor);
    u32 high = pack2<Element>(as_float(words.z) * kFactor, as_float(words.w) * kFactor);
    store8(to, low | static_cast<u64>(high) << 32);
}

/// Four results of two columns / 8 in the place of their sums.
DEVICE void keep(float* sums, Words4 words) {
    sums[0] = as_float(words.x), sums[1] = as_float(words.y), sums[4] = as_float(words.z), sums[5] = as_float(words.w);
}

/// Moments of this lane's rows, of the results that lie where sums from column 8 * j of the tile on were.
DEVICE void store_moments(const GemmSm90Args& args, const Sums& sums, TileOrigin tile, u32 first_row, u32 j) {
    u32 column = tile.column + 8 * j;
    UNROLL for (u32 i = 0; i < kRowsOfLane; i++) {
        float values[kMomentColumns / 4];
        UNROLL for (u32 c = 0; c < kMomentColumns / 8; c++) {
            const float* kept = &sums[i / 2][4 * (j + c) + 2 * (i % 2)];
            values[2 * c] = kept[0], values[2 * c + 1] = kept[1];
        }
        Moments moments = moments_of<4>(values);
        u32 row = row_of(tile, first_row, i);
        if (lane_index() % 4 == 0 && row < args.m && column < args.n) {
            u64 place = (static_cast<u64>(row) * args.n + column) / kMomentColumns;
            store8(args.moments + place, as_bits(moments.mean) | static_cast<u64>(as_bits(moments.squares)) << 32);
        }
    }
}

/// This lane's sums of the j-th 8 columns of the tile become those of normed rows, with their bias: in their place, as they are most of
/// what registers hold. With the scales of no norm they are the same, bit by bit.
DEVICE void norm_columns(const GemmSm90Args& args, Sums& sums, const RowScales& scales, TileOrigin tile, u32 j) {
    u32 column = tile.column + 8 * j + lane_index() % 4 * 2;
    float bias[2] = {}, row_sums[2] = {};
    if (column < args.n) {
        load_floats(args.bias + column, bias);
        if (args.row_sums != nullptr)
            load_floats(args.row_sums + column, row_sums);
    }
    UNROLL for (u32 i = 0; i < kRowsOfLane; i++) {
        float* sum = &sums[i / 2][4 * j + 2 * (i % 2)];
        sum[0] = normed(sum[0], scales[i], row_sums[0], bias[0]), sum[1] = normed(sum[1], scales[i], row_sums[1], bias[1]);
    }
}

/// The warpgroup's rows on their way out.
DEVICE void finish_tile(const GemmSm90Args& args, Sums& sums, const RowScales& scales, TileOrigin tile, u32 first_row) {
    constexpr Epilogue kOfNormed = kEpilogue == Epilogue::kBiasGelu ? Epilogue::kGelu : Epilogue::kNone;
    constexpr Epilogue kOfSums = kCanNorm ? kOfNormed
        : kEpilogue == Epilogue::kBiasResidual ? Epilogue::kBias : kEpilogue;
    constexpr u32 kGroup = QuadExchange<Output>::kGroup;    // columns / 8 that four lanes exchange among themselves
    UNROLL for (u32 j = 0; j < kBlockN / 8; j += kGroup) {
        float bias[kGroup][2] = {};
        if constexpr (kCanNorm) {
            UNROLL for (u32 i = 0; i < kGroup; i++) norm_columns(args, sums, scales, tile, j + i);
        } else if constexpr (kOfSums != Epilogue::kNone) {
            UNROLL for (u32 i = 0; i < kGroup; i++) {
                u32 column = tile.column + 8 * (j + i) + lane_index() % 4 * 2;
                if (column < args.n)
                    load_floats(args.bias + column, bias[i]);
            }
        }
        u32 column = tile.column + 8 * j + QuadExchange<Output>::column();
        UNROLL for (u32 i = 0; i < kRowsOfLane; i++) {
            float values[kGroup][2];
            UNROLL for (u32 c = 0; c < kGroup; c++) {
                const float* sum = &sums[i / 2][4 * (j + c) + 2 * (i % 2)];
                values[c][0] = sum[0], values[c][1] = sum[1];
                finish<kOfSums, Output>(values[c], bias[c], bias[c]);
            }
            Words4 words = QuadExchange<Output>::exchange(values);
            u32 row = row_of(tile, first_row, i);
            if (row < args.m && column < args.n) {
                u64 place = static_cast<u64>(row) * args.n + column;
                if constexpr (kEpilogue == Epilogue::kBiasResidual)
                    words = add_floats(words, load16(args.residual + place));
                store_global16(args.c + place, words);
                if (kCanPrepare && args.copy != nullptr)
                    store_copy(args.copy + place, words);
            }
            // In the place of the lane's sums of these columns, which are done with: moments are taken of them.
            if constexpr (kCanPrepare)
                keep(&sums[i / 2][4 * j + 2 * (i % 2)], words);
        }
        if constexpr (kCanPrepare) {
            if ((j + kGroup) % (kMomentColumns / 8) == 0 && args.moments != nullptr)
                store_moments(args, sums, tile, first_row, j + kGroup - kMomentColumns / 8);
        }
    }
}

/// A warpgroup's tiles: all of the block's, or every second one.
DEVICE void consume(const GemmSm90Args& args, const Ring& ring, const Schedule& schedule, u32 warpgroup) {
    u32 first_row = kPingPong ? 0 : warpgroup * kWarpgroupRows;
    // The residual, and C where something in front of this kernel still reads what lay there.
    wait_for_dependencies();
    Place place;
    u32 turn = 0;
    for (u32 number = schedule.first(); number < schedule.count(); number += schedule.step(), turn ^= 1) {
        if constexpr (kPingPong) {
            if (turn != warpgroup) {
                place.skip(schedule.slices);
                continue;
            }
        }
        TileOrigin tile = schedule.origin(number);
        // While the first slices come, or the other warpgroup multiplies; a tile that is not its block's first waits for it where
        // warpgroups share tiles.
        RowScales scales = {};
        if constexpr (kCanNorm)
            load_scales(args, scales, tile, first_row);
        if constexpr (kPingPong) {
            if (number != schedule.first())
                take_turn(warpgroup);
        }
        Sums sums;
        multiply(sums, ring, schedule, place, first_row, number + schedule.step() < schedule.count(), warpgroup);
        finish_tile(args, sums, scales, tile, first_row);
    }
}

KERNEL(gemm_sm90, GemmSm90Args) {
    SHARED_MEMORY(smem);
    const Ring ring(shared_address(smem));
    const Schedule schedule(args);
    if (threadIdx.x == 0)
        ring.init(kReleases);
    meet<kCluster>();    // the mbarriers are there
    launch_dependents();
    u32 warpgroup = threadIdx.x / kWarpgroupSize;
    if (warpgroup == kConsumers) {
        give_registers<kProducerRegisters>();
        if (warp_index() == kThreads / kWarpSize - 1 && elect_one())
            produce(args, ring, schedule);
        warp_sync();    // barrier.cluster wants its lanes together
    } else {
        take_registers<kConsumerRegisters>();
        consume(args, ring, schedule, warpgroup);
    }
    // Other blocks arrive at this one's mbarriers until their last tile.
    if constexpr (kCluster > 1)
        meet<kCluster>();
}
