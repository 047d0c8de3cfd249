// C[M, N] = epilogue(A[M, K] W[N, K]^T) in float32 on the ordinary units: no TF32. A and W lie along K: both are read as they are.
//
// Precision   K is summed in chunks of CHUNK_K, each by fused multiply-adds with K ascending, and the chunks' sums added up in order: over
//             K = 5120 a fourth of a plain accumulator's error. The order is the same in every configuration: the same bits.
// Mapping     A block computes BLOCK_M x BLOCK_N; a warp, as 4 x 8 lanes, 4 THREAD_M x 64 of it; a lane THREAD_M x 8: neighbouring rows, and
//             4 columns each of the two halves of 32. Bands of tile rows as in gemm.cu.
// Pipeline    STAGES slices of 32 columns in shared memory, all but one in flight by cp.async of COPY_BYTES.
// Shared      [STAGES][BLOCK_M + BLOCK_N][32] floats. Chunks of 16 bytes are XORed with row / 4, since the 8 lanes that load W at once have
//             rows 4 apart; those that load A at once have the same row.
// Roofline    2 M N K FLOP on float32 units bound it: 4 columns cost THREAD_M + 8 16-byte loads for 32 THREAD_M multiply-adds, with 8 rows
//             as many passes through shared memory as multiply-adds. Reads as in gemm.cu. Reached: not yet measured on a GPU.
#include "epilogue.cuh"
#include "math.cuh"
#include "memory.cuh"
#include "panel.cuh"
#include "sync.cuh"

constexpr Epilogue kEpilogue = Epilogue::EPILOGUE;
constexpr bool kGroupedRows = GROUPED_ROWS;
constexpr u32 kBlockM = BLOCK_M, kBlockN = BLOCK_N, kBlockK = 32;
constexpr u32 kThreadM = THREAD_M;
constexpr u32 kStages = STAGES;
constexpr u32 kSlicesPerChunk = CHUNK_K / kBlockK;
constexpr u32 kCopyBytes = COPY_BYTES;    // to which K and the rows of A are aligned
constexpr u32 kVector = VECTOR;           // columns to which N and the rows of C and the residual are aligned
constexpr u32 kWarpM = 4 * kThreadM, kWarpN = 64;
constexpr u32 kWarpsN = kBlockN / kWarpN;
constexpr u32 kThreads = kBlockM / kWarpM * kWarpsN * kWarpSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

constexpr u32 kRowBytes = kBlockK * sizeof(float);
constexpr u32 kStageBytes = (kBlockM + kBlockN) * kRowBytes;
constexpr u32 kSwizzleRows = 4;

static_assert(kBlockM % kWarpM == 0 && kBlockN % kWarpN == 0);
static_assert(kThreadM == 2 || kThreadM == 4 || kThreadM == 8);
static_assert(CHUNK_K % kBlockK == 0 && CHUNK_K <= 256, "longer chunks cost digits");
static_assert(kCopyBytes == 4 || kCopyBytes == 8 || kCopyBytes == 16);
static_assert(kVector == 1 || kVector == 2 || kVector == 4);
static_assert(kStages >= 2 && kThreads <= 1024);

struct GemmArgs {
    const float* a;           // [m, k] by a_rows
    const float* w;           // [n, k]
    const float* bias;        // [n]
    const float* residual;    // [m, n] by residual_rows; may be c
    float* c;                 // [m, n] by c_rows
    Rows a_rows, residual_rows, c_rows;
    u32 m, n, k;
    u32 band;                 // tile rows of a band
};

template <u32 kRows, bool kGrouped>
using FloatPanel = Panel<float, kRows, kRowBytes, kSwizzleRows, kCopyBytes, kThreads, kGrouped>;

/// sums += the products of one slice.
DEVICE void multiply(float (&sums)[kThreadM][8], SharedAddress a_panel, SharedAddress w_panel, u32 a_row, u32 w_row) {
    // Rows of a lane that lie in the same group of 4 have the same swizzle.
    constexpr u32 kRowGroup = min_of(kThreadM, kSwizzleRows);
    UNROLL_TWICE for (u32 chunk = 0; chunk < kBlockK / 4; chunk++) {
        Words4 a[kThreadM];
        UNROLL for (u32 i = 0; i < kThreadM; i++) {
            u32 group_row = a_row + i / kRowGroup * kRowGroup;
            a[i] = load_shared16(a_panel + swizzled<kRowBytes, kSwizzleRows>(group_row, chunk * 16) + i % kRowGroup * kRowBytes);
        }
        UNROLL for (u32 j = 0; j < 8; j++) {
            Words4 w = load_shared16(w_panel + swizzled<kRowBytes, kSwizzleRows>(w_row, chunk * 16) + (j / 4 * 32 + j % 4) * kRowBytes);
            UNROLL for (u32 i = 0; i < kThreadM; i++) {
                float sum = sums[i][j];
                sum = fused_multiply_add(as_float(a[i].x), as_float(w.x), sum);
                sum = fused_multiply_add(as_float(a[i].y), as_float(w.y), sum);
                sum = fused_multiply_add(as_float(a[i].z), as_float(w.z), sum);
                sums[i][j] = fused_multiply_add(as_float(a[i].w), as_float(w.w), sum);
            }
        }
    }
}

/// The way out of a lane's sums: rows from first_row on, columns first_column to + 3 and + 32 to + 35.
DEVICE void store_tile(const GemmArgs& args, const float (&sums)[kThreadM][8], u32 first_row, u32 first_column) {
    UNROLL for (u32 j = 0; j < 8; j += kVector) {
        u32 column = first_column + j / 4 * 32 + j % 4;
        if (column >= args.n)
            continue;
        float bias[kVector] = {};
        if constexpr (kEpilogue != Epilogue::kNone)
            load_floats(args.bias + column, bias);
        UNROLL for (u32 i = 0; i < kThreadM; i++) {
            u32 row = first_row + i;
            if (row < args.m) {
                float values[kVector], residual[kVector] = {};
                UNROLL for (u32 v = 0; v < kVector; v++) values[v] = sums[i][j + v];
                if constexpr (kEpilogue == Epilogue::kBiasResidual)
                    load_floats(args.residual + row_offset<kGroupedRows>(args.residual_rows, row) + column, residual);
                finish<kEpilogue, f32>(values, bias, residual);
                store_floats(args.c + row_offset<kGroupedRows>(args.c_rows, row) + column, values);
            }
        }
    }
}

KERNEL(gemm_f32, GemmArgs) {
    SHARED_MEMORY(smem);
    const SharedAddress stages = shared_address(smem);
    TileOrigin tile = tile_of_block<kBlockM, kBlockN>(args.m, args.n, args.band);
    FloatPanel<kBlockM, kGroupedRows> a_panel(args.a, args.a_rows, tile.row, args.m);
    FloatPanel<kBlockN, false> w_panel(args.w, {0, 0, args.k}, tile.column, args.n);
    u32 slices = ceil_div(args.k, kBlockK);

    // A slice beyond the last one is an empty group, so that waits count the same at the end.
    auto copy_slice = [&](u32 slice, u32 stage) {
        if (slice < slices) {
            a_panel.copy(stages + stage * kStageBytes, slice, args.k);
            w_panel.copy(stages + stage * kStageBytes + kBlockM * kRowBytes, slice, args.k);
        }
        cp_async_commit();
    };
    UNROLL for (u32 slice = 0; slice < kStages - 1; slice++) copy_slice(slice, slice);

    u32 lane = lane_index();
    u32 a_row = warp_index() / kWarpsN * kWarpM + lane / 8 * kThreadM, w_row = warp_index() % kWarpsN * kWarpN + lane % 8 * 4;
    float totals[kThreadM][8] = {}, sums[kThreadM][8] = {};
    u32 stage = 0, free_stage = kStages - 1, slice = 0;
    // A loop that begins with its body: one that might not run at all would need a second set of registers for the sums behind it.
    do {
        // The slice has landed for all, and all are done with the one before, whose stage the next copy overwrites.
        cp_async_wait<kStages - 2>();
        block_sync();
        copy_slice(slice + kStages - 1, free_stage);
        free_stage = free_stage + 1 == kStages ? 0 : free_stage + 1;
        SharedAddress base = stages + stage * kStageBytes;
        multiply(sums, base, base + kBlockM * kRowBytes, a_row, w_row);
        stage = stage + 1 == kStages ? 0 : stage + 1;
        slice++;
        if (slice % kSlicesPerChunk == 0 || slice == slices) {
            UNROLL for (u32 i = 0; i < kThreadM; i++) {
                UNROLL for (u32 j = 0; j < 8; j++) totals[i][j] += sums[i][j], sums[i][j] = 0;
            }
        }
    } while (slice < slices);
    cp_async_wait<0>();    // empty groups, which a block should not leave behind either
    store_tile(args, totals, tile.row + a_row, tile.column + w_row);
}
