// C[M, N] = epilogue(A[M, K] W[N, K]^T) in bf16 or f16 on tensor cores. A and W lie along K: both are read as they are.
//
// Precision   ELEMENT is bf16 or f16. Products are summed in float32 by mma.m16n8k16, K ascending by 16 in one accumulator, whatever the
//             tile: every configuration gives the same bits. Bias is float32; RESIDUAL and OUTPUT are f32 or a half type; one rounding.
// Mapping     A block computes BLOCK_M x BLOCK_N, a warp WARP_M x WARP_N of it, a lane 4 elements of each 16 x 8. Blocks with neighbouring
//             numbers form bands of `band` tile rows, so that those which run together share rows of A and W in the second-level cache.
// Pipeline    STAGES slices of BLOCK_K columns in shared memory, all but one in flight by cp.async of COPY_BYTES; fragments of the next 16
//             columns come from shared memory (ldmatrix) while the tensor cores have those of the current ones.
// Shared      [STAGES][BLOCK_M + BLOCK_N][BLOCK_K], 16-byte chunks XORed with the row so that neither copies nor ldmatrix meet in a bank.
//             Then, over it, [warps][16][WARP_N + 8] floats: sums on their way from fragments to rows of VECTOR columns a lane.
// Roofline    2 M N K FLOP. A is asked for ceil(N / BLOCK_N) times, W ceil(M / BLOCK_M) times; DRAM sees each once when the bands hold.
//             With M >= 2 BLOCK_M bound by tensor cores; with few rows by reading W. Reached: not yet measured on a GPU.
#include "epilogue.cuh"
#include "memory.cuh"
#include "mma.cuh"
#include "panel.cuh"
#include "sync.cuh"

using Element = ELEMENT;
using Residual = RESIDUAL;
using Output = OUTPUT;

constexpr Epilogue kEpilogue = Epilogue::EPILOGUE;
constexpr bool kGroupedRows = GROUPED_ROWS;
constexpr u32 kBlockM = BLOCK_M, kBlockN = BLOCK_N, kBlockK = BLOCK_K;
constexpr u32 kWarpM = WARP_M, kWarpN = WARP_N;
constexpr u32 kStages = STAGES;
constexpr u32 kCopyBytes = COPY_BYTES;    // to which K and the rows of A are aligned
constexpr u32 kVector = VECTOR;           // columns to which N and the rows of C and the residual are aligned
constexpr u32 kWarpsM = kBlockM / kWarpM, kWarpsN = kBlockN / kWarpN;
constexpr u32 kThreads = kWarpsM * kWarpsN * kWarpSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

constexpr u32 kRowBytes = kBlockK * sizeof(Element);
constexpr u32 kStageBytes = (kBlockM + kBlockN) * kRowBytes;
constexpr u32 kSteps = kBlockK / 16;
constexpr u32 kTilesM = kWarpM / 16, kTilesN = kWarpN / 8;

static_assert(sizeof(Element) == 2);
static_assert(kBlockM % kWarpM == 0 && kBlockN % kWarpN == 0 && kWarpM % 16 == 0);
static_assert(kWarpN == 16 || kWarpN == 32 || kWarpN == 64, "what the epilogue's order of rows is free of bank conflicts for");
static_assert(kBlockK == 32 || kBlockK == 64, "rows of 64 or 128 bytes, which the swizzle is made for");
static_assert(kCopyBytes == 2 || kCopyBytes == 4 || kCopyBytes == 8 || kCopyBytes == 16);
static_assert(kStages >= 2 && kThreads <= 1024);

struct GemmArgs {
    const Element* a;           // [m, k] by a_rows
    const Element* w;           // [n, k]
    const float* bias;          // [n]
    const Residual* residual;   // [m, n] by residual_rows; may be c
    Output* c;                  // [m, n] by c_rows
    Rows a_rows, residual_rows, c_rows;
    u32 m, n, k;
    u32 band;                   // tile rows of a band
};

// A bank serves 4 of each 128 bytes: 8 rows of 128 bytes, or 4 pairs of rows of 64, put the same chunk in 8 different places.
constexpr u32 kSwizzleRows = 128 / kRowBytes;

template <u32 kRows, bool kGrouped>
using ElementPanel = Panel<Element, kRows, kRowBytes, kSwizzleRows, kCopyBytes, kThreads, kGrouped>;

/// The operands of a warp's products over 16 columns.
struct Fragments {
    Words4 a[kTilesM];
    Words4 w[kTilesN / 2];    // of two neighbouring tiles of 8
};

DEVICE void load_fragments(Fragments& fragments, SharedAddress a, SharedAddress w, u32 step) {
    // 16 columns are 32 bytes, which the swizzle's XOR commutes with.
    UNROLL for (u32 i = 0; i < kTilesM; i++) fragments.a[i] = load_matrix_x4((a ^ (step * 32)) + i * 16 * kRowBytes);
    UNROLL for (u32 j = 0; j < kTilesN / 2; j++) fragments.w[j] = load_matrix_x4((w ^ (step * 32)) + j * 16 * kRowBytes);
}

DEVICE void multiply(Accumulator (&sums)[kTilesM][kTilesN], const Fragments& fragments) {
    UNROLL for (u32 i = 0; i < kTilesM; i++) {
        UNROLL for (u32 j = 0; j < kTilesN / 2; j++) {
            const Words4& w = fragments.w[j];
            multiply_accumulate<Element>(sums[i][2 * j], fragments.a[i], w.x, w.y);
            multiply_accumulate<Element>(sums[i][2 * j + 1], fragments.a[i], w.z, w.w);
        }
    }
}

// How a warp goes through the 16 rows of its slab: kVector columns a lane, kRowsAtOnce rows at once.
constexpr u32 kSlabPitch = kWarpN + 8;    // floats: the 8 rows that store at once begin 8 or 24 banks apart
constexpr u32 kSlabBytes = 16 * kSlabPitch * sizeof(float);
constexpr u32 kLanesPerRow = min_of(kWarpN / kVector, kWarpSize);
constexpr u32 kRowsAtOnce = kWarpSize / kLanesPerRow;
constexpr u32 kRowSteps = 16 / kRowsAtOnce;
constexpr u32 kColumnSteps = kWarpN / (kLanesPerRow * kVector);

static_assert(kVector == 1 || kVector == 2 || kVector == 4 || kVector == 8);
static_assert(kThreads / kWarpSize * kSlabBytes <= kStages * kStageBytes);

/// The lane's row of a step. Rows of 16 floats go in the order 0, 2, 1, 3: those that load at once are then 16 banks apart.
DEVICE u32 slab_row(u32 step) {
    u32 row = step * kRowsAtOnce + lane_index() / kLanesPerRow;
    return kWarpN == 16 ? (row & ~3u) | (row & 1) << 1 | (row & 2) >> 1 : row;
}

/// kVector floats of a row of the slab.
DEVICE void load_slab(SharedAddress address, float (&values)[kVector]) {
    if constexpr (kVector == 8) {
        // Two accesses; half of the lanes that go at once begin with the second, which lies in the banks that the others leave free.
        u32 order = (kWarpN == 16 ? lane_index() : lane_index() / 4) % 2 * 16;
        Words4 first = load_shared16(address + order), second = load_shared16(address + (16 - order));
        Words4 low = order == 0 ? first : second, high = order == 0 ? second : first;
        values[0] = as_float(low.x), values[1] = as_float(low.y), values[2] = as_float(low.z), values[3] = as_float(low.w);
        values[4] = as_float(high.x), values[5] = as_float(high.y), values[6] = as_float(high.z), values[7] = as_float(high.w);
    } else if constexpr (kVector == 4) {
        Words4 words = load_shared16(address);
        values[0] = as_float(words.x), values[1] = as_float(words.y), values[2] = as_float(words.z), values[3] = as_float(words.w);
    } else if constexpr (kVector == 2) {
        u64 words = load_shared8(address);
        values[0] = as_float(static_cast<u32>(words)), values[1] = as_float(static_cast<u32>(words >> 32));
    } else {
        values[0] = as_float(load_shared4(address));
    }
}

/// The way out of a warp's sums, 16 rows at a time through its slab of shared memory.
DEVICE void store_tile(const GemmArgs& args, Accumulator (&sums)[kTilesM][kTilesN], SharedAddress slab, u32 first_row, u32 first_column) {
    u32 g = lane_index() / 4, t = lane_index() % 4;
    u32 column_in_slab = lane_index() % kLanesPerRow * kVector;
    float bias[kColumnSteps][kVector] = {};
    if constexpr (kEpilogue != Epilogue::kNone) {
        UNROLL for (u32 j = 0; j < kColumnSteps; j++) {
            u32 column = first_column + column_in_slab + j * kLanesPerRow * kVector;
            if (column < args.n)
                load_floats(args.bias + column, bias[j]);
        }
    }
    UNROLL for (u32 i = 0; i < kTilesM; i++) {
        warp_sync();    // the lanes have read the rows before these
        UNROLL for (u32 j = 0; j < kTilesN; j++) {
            const Accumulator& d = sums[i][j];
            SharedAddress address = slab + (g * kSlabPitch + 8 * j + 2 * t) * sizeof(float);
            store_shared8(address, as_bits(d.c[0]) | static_cast<u64>(as_bits(d.c[1])) << 32);
            store_shared8(address + 8 * kSlabPitch * sizeof(float), as_bits(d.c[2]) | static_cast<u64>(as_bits(d.c[3])) << 32);
        }
        warp_sync();
        UNROLL for (u32 step = 0; step < kRowSteps; step++) {
            u32 row_in_slab = slab_row(step), row = first_row + 16 * i + row_in_slab;
            UNROLL for (u32 j = 0; j < kColumnSteps; j++) {
                u32 column_step = column_in_slab + j * kLanesPerRow * kVector, column = first_column + column_step;
                if (row < args.m && column < args.n) {
                    float values[kVector], residual[kVector] = {};
                    if constexpr (kEpilogue == Epilogue::kBiasResidual)
                        load_floats(args.residual + row_offset<kGroupedRows>(args.residual_rows, row) + column, residual);
                    load_slab(slab + (row_in_slab * kSlabPitch + column_step) * sizeof(float), values);
                    finish<kEpilogue, Output>(values, bias[j], residual);
                    store_floats(args.c + row_offset<kGroupedRows>(args.c_rows, row) + column, values);
                }
            }
        }
    }
}

KERNEL(gemm, GemmArgs) {
    SHARED_MEMORY(smem);
    const SharedAddress stages = shared_address(smem);
    TileOrigin tile = tile_of_block<kBlockM, kBlockN>(args.m, args.n, args.band);
    ElementPanel<kBlockM, kGroupedRows> a_panel(args.a, args.a_rows, tile.row, args.m);
    ElementPanel<kBlockN, false> w_panel(args.w, {0, 0, args.k}, tile.column, args.n);
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

    // Which rows and chunks the lane gives ldmatrix: tiles of A in the order of its registers, of W as two tiles of 8 rows.
    u32 lane = lane_index(), warp_row = warp_index() / kWarpsN * kWarpM, warp_column = warp_index() % kWarpsN * kWarpN;
    u32 a_offset = swizzled<kRowBytes, kSwizzleRows>(warp_row + lane % 16, lane / 16 * 16);
    u32 w_offset = kBlockM * kRowBytes + swizzled<kRowBytes, kSwizzleRows>(warp_column + lane / 16 * 8 + lane % 8, lane / 8 % 2 * 16);

    Accumulator sums[kTilesM][kTilesN] = {};
    Fragments fragments[2];
    cp_async_wait<kStages - 2>();
    block_sync();    // everybody's part of the first slice is there
    load_fragments(fragments[0], stages + a_offset, stages + w_offset, 0);

    u32 stage = 0, free_stage = kStages - 1;
    // A loop that begins with its body: one that might not run at all would need a second set of registers for the sums behind it.
    u32 slice = 0;
    do {
        UNROLL for (u32 step = 0; step < kSteps; step++) {
            if (step + 1 < kSteps) {
                SharedAddress base = stages + stage * kStageBytes;
                load_fragments(fragments[(step + 1) % 2], base + a_offset, base + w_offset, step + 1);
            } else if (slice + 1 < slices) {
                // The next slice has landed for all, and all have taken the last fragments of this one, whose stage the next copy overwrites.
                cp_async_wait<kStages - 2>();
                block_sync();
                stage = stage + 1 == kStages ? 0 : stage + 1;
                SharedAddress base = stages + stage * kStageBytes;
                load_fragments(fragments[0], base + a_offset, base + w_offset, 0);
            }
            if (step == 0) {
                copy_slice(slice + kStages - 1, free_stage);
                free_stage = free_stage + 1 == kStages ? 0 : free_stage + 1;
            }
            multiply(sums, fragments[step % 2]);
        }
    } while (++slice < slices);

    cp_async_wait<0>();
    block_sync();    // the stages are free for the slabs
    store_tile(args, sums, stages + warp_index() * kSlabBytes, tile.row + warp_row, tile.column + warp_column);
}
