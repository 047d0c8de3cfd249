// Pixels as the rows of a matrix: what the patch embeddings read, whatever the number format of the product.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "memory.cuh"

/// Geometry of a launch. A patch's elements are numbered as they lie: channel, row, column for float pixels [batch, channels, height,
/// width]; row, column, channel for bytes [batch, height, width, channels]. The weights have the same order.
struct PatchGrid {
    u32 height, width;         // pixels
    u32 grid_width, patches;   // patches in a row, in a picture
    u32 rows;                  // patches of the batch
};

template <typename Pixel, u32 kChannels, u32 kPatchHeight, u32 kPatchWidth>
struct Patch {
    static constexpr bool kBytes = kSame<Pixel, u8>;
    static constexpr u32 kElements = kChannels * kPatchHeight * kPatchWidth;
    /// Elements that lie end to end in a row of pixels.
    static constexpr u32 kRun = kBytes ? kPatchWidth * kChannels : kPatchWidth;
    static constexpr u32 kVector = kRun % 8 == 0 && kBytes ? 8 : kRun % 4 == 0 ? 4 : kRun % 2 == 0 ? 2 : 1;
};

/// The first pixel of a patch, in elements from the batch's first; the host sees to it that 32 bits are enough.
template <typename P, u32 kChannels, u32 kPatchHeight, u32 kPatchWidth>
DEVICE u32 patch_origin(const PatchGrid& grid, u32 row) {
    u32 picture = row / grid.patches, patch = row % grid.patches;
    u32 y = patch / grid.grid_width * kPatchHeight, x = patch % grid.grid_width * kPatchWidth;
    if constexpr (P::kBytes)
        return ((picture * grid.height + y) * grid.width + x) * kChannels;
    else
        return (picture * kChannels * grid.height + y) * grid.width + x;
}

/// An element of a patch, counted from its first pixel.
template <typename P, u32 kChannels, u32 kPatchHeight, u32 kPatchWidth>
DEVICE u32 patch_offset(const PatchGrid& grid, u32 element) {
    if constexpr (P::kBytes)
        return element / P::kRun * grid.width * kChannels + element % P::kRun;
    else
        return (element / (kPatchHeight * kPatchWidth) * grid.height + element / kPatchWidth % kPatchHeight) * grid.width + element % kPatchWidth;
}

/// kCount neighbouring elements of a patch on their way through registers: floats, or packed bytes.
template <typename Pixel, u32 kCount>
struct PixelGroup {
    float values[kCount];
};

template <u32 kCount>
struct PixelGroup<u8, kCount> {
    u32 words[kCount / 4];
};

template <u32 kVector>
DEVICE u64 load_bytes(const u8* pointer) {
    if constexpr (kVector == 8)
        return load8(pointer);
    else if constexpr (kVector == 4)
        return *reinterpret_cast<const u32*>(pointer);
    else if constexpr (kVector == 2)
        return *reinterpret_cast<const u16*>(pointer);
    else
        return *pointer;
}

/// Loads elements from `first` on, a multiple of kCount, of a patch; behind the last one there are zeros (of bytes: what stands for zero).
template <typename P, u32 kChannels, u32 kPatchHeight, u32 kPatchWidth, typename Pixel, u32 kCount>
DEVICE void load_group(const Pixel* origin, const PatchGrid& grid, u32 first, PixelGroup<Pixel, kCount>& group) {
    constexpr u32 kStep = min_of(P::kVector, kCount);
    if constexpr (P::kBytes) {
        UNROLL for (u32 i = 0; i < kCount / 4; i++) group.words[i] = 0;
    }
    UNROLL for (u32 i = 0; i < kCount; i += kStep) {
        bool inside = first + i < P::kElements;
        const Pixel* pixels = origin + (inside ? patch_offset<P, kChannels, kPatchHeight, kPatchWidth>(grid, first + i) : 0);
        if constexpr (P::kBytes) {
            u64 bytes = inside ? load_bytes<kStep>(pixels) : 0x8080808080808080ull >> (64 - 8 * kStep);
            group.words[i / 4] |= static_cast<u32>(bytes) << (i % 4 * 8);
            if constexpr (kStep == 8)
                group.words[i / 4 + 1] = static_cast<u32>(bytes >> 32);
        } else {
            float values[kStep] = {};
            if (inside)
                load_floats(pixels, values);
            UNROLL for (u32 j = 0; j < kStep; j++) group.values[i + j] = values[j];
        }
    }
}

/// An element as a float. Of bytes 128 is taken away: the difference is exact in every format, as the byte would be, but half as large, so
/// that a rounded weight costs half as much; bias and weights are made for it on the host.
template <u32 kCount>
DEVICE float group_value(const PixelGroup<float, kCount>& group, u32 i) {
    return group.values[i];
}
template <u32 kCount>
DEVICE float group_value(const PixelGroup<u8, kCount>& group, u32 i) {
    return static_cast<float>(static_cast<i32>(group.words[i / 4] >> (i % 4 * 8) & 0xFF) - 128);
}

/// Class tokens with their positions, in front of every picture's patches: one vector of each thread of the blocks that do this.
template <u32 kVector, typename Output>
DEVICE void write_class_tokens(
    const float* class_tokens, const float* positions, Output* y, u32 batch, u64 class_elements, u64 picture_elements, u64 thread) {
    u64 vectors = class_elements / kVector;
    u64 picture = thread / vectors, element = thread % vectors * kVector;
    if (picture >= batch)
        return;
    float values[kVector], position[kVector];
    load_floats(class_tokens + element, values);
    load_floats(positions + element, position);
    UNROLL for (u32 i = 0; i < kVector; i++) values[i] += position[i];
    store_floats(y + picture * picture_elements + element, values);
}
