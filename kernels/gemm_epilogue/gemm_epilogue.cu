// gemm_epilogue: y = x + bias, gelu(x + bias), or x + bias + residual: what follows a matrix product of a library that leaves its float32
// sums. The bias comes before the residual, whose massive channels then round once.
//
// Precision   x in float32, OUTPUT f32, bf16 or f16: GELU by the error function, one rounding.
// Mapping     a thread for VECTOR neighbouring columns of a row.
// Shared      none.
// Roofline    bound by memory: an element once in and out, 4 + sizeof(OUTPUT) bytes, 4 more with a residual; about 25 FLOP with GELU.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "epilogue.cuh"
#include "memory.cuh"

using Output = OUTPUT;

constexpr Epilogue kEpilogue = Epilogue::EPILOGUE;
constexpr u32 kColumns = COLUMNS;
constexpr u32 kVector = VECTOR;
constexpr u32 kThreads = 256;
constexpr u32 kBlocksPerSm = 4;
constexpr u32 kVectorsPerRow = kColumns / kVector;

static_assert(kColumns % kVector == 0 && kVector <= 4);
static_assert(kEpilogue != Epilogue::kNone);

struct GemmEpilogueArgs {
    const float* x;           // [rows, kColumns]
    const float* bias;        // [kColumns]
    const float* residual;    // [rows, kColumns], where the epilogue adds one
    Output* y;                // [rows, kColumns]; may be x or the residual
    u32 rows;
};

KERNEL(gemm_epilogue, GemmEpilogueArgs) {
    // The host sees to it that 32 bits count the vectors.
    u32 index = blockIdx.x * kThreads + threadIdx.x;
    u32 row = index / kVectorsPerRow, column = index % kVectorsPerRow * kVector;
    if (row >= args.rows)
        return;
    float sums[kVector], bias[kVector], residual[kVector] = {};
    load_floats(args.x + static_cast<u64>(index) * kVector, sums);
    if constexpr (kEpilogue == Epilogue::kBiasResidual)
        load_floats(args.residual + static_cast<u64>(index) * kVector, residual);
    load_floats(args.bias + column, bias);
    finish<kEpilogue, Output>(sums, bias, residual);
    store_floats(args.y + static_cast<u64>(index) * kVector, sums);
}
