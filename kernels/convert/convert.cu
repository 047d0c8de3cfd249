// convert: y = x in another number format, as weights need on their way from a file's numbers to the model's: end to end, or with rows
// filled up with zeros to a pitch that 16-byte accesses divide.
//
// Precision   INPUT and OUTPUT are f32, bf16 or f16; one rounding to nearest even, overflow to infinity, a NaN stays a NaN. The same type
//             on both sides is a copy of the bits.
// Mapping     kVectorsPerThread vectors of kVector elements a thread, all loaded before the first is stored; neighbouring lanes take
//             neighbouring vectors. What lies before y's first aligned address and behind the last whole vector goes by single elements,
//             as does everything when x is not aligned where y is.
// Shared      none.
// Roofline    bound by memory: every element once in and out, no FLOP. 256 threads hold 16 KiB in flight.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "memory.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr bool kPadded = PADDED;
constexpr u32 kThreads = 256;
constexpr u32 kBlocksPerSm = 4;
constexpr u32 kVectorsPerThread = 4;
constexpr u32 kVector = 16 / max_of(sizeof(Input), sizeof(Output));
constexpr u32 kElementsPerBlock = kThreads * kVectorsPerThread * kVector;

struct ConvertArgs {
    const Input* x;    // [rows, columns]
    Output* y;         // [rows, pitch]; without padding all is one row
    u64 columns;
    u64 pitch;
    u64 rows;
};

/// A vector on its way through registers: floats, or bits where nothing is to be converted.
template <typename From, typename To>
struct Vector {
    float values[kVector];
};

template <typename T>
struct Vector<T, T> {
    Words4 values;
};

template <typename From, typename To>
DEVICE void load_vector(const From* x, Vector<From, To>& vector) {
    if constexpr (kSame<From, To>)
        vector.values = load16(x);
    else
        load_floats(x, vector.values);
}

template <typename From, typename To>
DEVICE void store_vector(To* y, const Vector<From, To>& vector) {
    if constexpr (kSame<From, To>)
        store_global16(y, vector.values);
    else
        store_floats(y, vector.values);
}

template <typename From, typename To>
DEVICE void convert_element(const From& from, To& to) {
    if constexpr (kSame<From, To>)
        to = from;
    else
        to = from_float<To>(to_float(from));
}

DEVICE bool is_aligned(const void* pointer, u32 bytes) { return reinterpret_cast<u64>(pointer) % bytes == 0; }

/// Where a thread's i-th item of `per_thread` lies among those of all blocks.
template <typename Index>
DEVICE Index item(u32 per_thread, u32 i) {
    return (static_cast<Index>(blockIdx.x) * per_thread + i) * kThreads + threadIdx.x;
}

/// Rows of y lie at whole vectors; a vector of x does too, when rows are whole vectors, and then it is data or padding as a whole.
DEVICE void convert_padded(const ConvertArgs& args) {
    // The host sees to it that 32 bits count the elements of y.
    u32 rows = static_cast<u32>(args.rows), columns = static_cast<u32>(args.columns), pitch = static_cast<u32>(args.pitch);
    if (columns % kVector == 0 && is_aligned(args.x, kVector * sizeof(Input))) {
        u32 row_vectors = pitch / kVector, data_vectors = columns / kVector, count = rows * row_vectors;
        Vector<Input, Output> vectors[kVectorsPerThread];
        UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
            u32 index = item<u32>(kVectorsPerThread, i), row = index / row_vectors, column = index % row_vectors;
            if (index < count && column < data_vectors)
                load_vector(args.x + static_cast<u64>(row * data_vectors + column) * kVector, vectors[i]);
            else
                vectors[i] = {};
        }
        UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
            u32 index = item<u32>(kVectorsPerThread, i);
            if (index < count)
                store_vector(args.y + static_cast<u64>(index) * kVector, vectors[i]);
        }
        return;
    }
    for (u32 i = 0; i < kVectorsPerThread * kVector; i++) {
        u64 index = item<u64>(kVectorsPerThread * kVector, i);
        if (index >= static_cast<u64>(rows) * pitch)
            return;
        u32 row = static_cast<u32>(index) / pitch, column = static_cast<u32>(index) % pitch;
        if (column < columns)
            convert_element(args.x[static_cast<u64>(row) * columns + column], args.y[index]);
        else
            args.y[index] = Output{};
    }
}

DEVICE void convert_flat(const ConvertArgs& args) {
    constexpr u32 kOutputBytes = kVector * sizeof(Output);
    u32 misalignment = static_cast<u32>(reinterpret_cast<u64>(args.y) % kOutputBytes);
    u64 head = min_of<u64>((kOutputBytes - misalignment) % kOutputBytes / sizeof(Output), args.columns);
    if (is_aligned(args.x + head, kVector * sizeof(Input))) {
        u64 count = (args.columns - head) / kVector;
        Vector<Input, Output> vectors[kVectorsPerThread];
        UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
            u64 index = item<u64>(kVectorsPerThread, i);
            if (index < count)
                load_vector(args.x + head + index * kVector, vectors[i]);
        }
        UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
            u64 index = item<u64>(kVectorsPerThread, i);
            if (index < count)
                store_vector(args.y + head + index * kVector, vectors[i]);
        }
        // Fewer than kVector elements at either end: threads of the first block.
        u64 tail = head + count * kVector;
        u64 element = threadIdx.x < head ? threadIdx.x : tail + threadIdx.x - head;
        if (blockIdx.x == 0 && element < args.columns)
            convert_element(args.x[element], args.y[element]);
        return;
    }
    constexpr u32 kAtOnce = 8;
    for (u32 first = 0; first < kVectorsPerThread * kVector; first += kAtOnce) {
        Input elements[kAtOnce];
        UNROLL for (u32 i = 0; i < kAtOnce; i++) {
            u64 index = item<u64>(kVectorsPerThread * kVector, first + i);
            if (index < args.columns)
                elements[i] = args.x[index];
        }
        UNROLL for (u32 i = 0; i < kAtOnce; i++) {
            u64 index = item<u64>(kVectorsPerThread * kVector, first + i);
            if (index < args.columns)
                convert_element(elements[i], args.y[index]);
        }
    }
}

KERNEL(convert, ConvertArgs) {
    if constexpr (kPadded)
        convert_padded(args);
    else
        convert_flat(args);
}
