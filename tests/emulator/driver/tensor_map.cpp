// cuTensorMapEncodeTiled: the driver's rules; the encoding is the emulator's own.
#include <cstring>

#include "../runtime/tensor_map.h"
#include "driver.h"

using namespace emulator;

namespace {
/// 0 for a type that is none: u8, u16, u32, s32, u64, s64, f16, f32, f64, bf16, f32 flushed, tf32, tf32 flushed.
unsigned element_bytes(int type) {
    constexpr unsigned kBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    return type >= 0 && type < 13 ? kBytes[type] : 0;
}
} // namespace

extern "C" {

int cuTensorMapEncodeTiled(void* map, int type, unsigned rank, CUdeviceptr address, const uint64_t* dims, const uint64_t* strides,
    const unsigned* box,
    const unsigned* steps, int interleave, int swizzle, int promotion, int fill) {
    Device* device;
    if (int error = enter_context("cuTensorMapEncodeTiled", device))
        return error;
    auto broken = [](const char* rule) { return refuse(CUDA_ERROR_INVALID_VALUE, std::string("cuTensorMapEncodeTiled: ") + rule); };
    if (device->properties.major < 9)
        return refuse(CUDA_ERROR_NOT_SUPPORTED, "cuTensorMapEncodeTiled: the device has no tensor memory accelerator");
    unsigned bytes = element_bytes(type);
    if (!map || reinterpret_cast<uintptr_t>(map) % 64)
        return broken("the map is not aligned to 64 bytes");
    if (!bytes || rank < 1 || rank > 5 || !dims || !box || !steps || (rank > 1 && !strides))
        return broken("the type, the rank or a pointer is none");
    if (interleave < 0 || interleave > 2 || (interleave && rank < 3) || swizzle < 0 || swizzle > 3 || promotion < 0 || promotion > 3
        || fill < 0 || fill > 1)
        return broken("the interleave, swizzle, promotion or fill is none");
    if (address % (interleave == 2 ? 32 : 16))
        return broken("the address is not aligned to 16 bytes (32 with an interleave of 32 bytes)");
    if (fill == 1 && type < 6)
        return broken("only floating-point elements can be filled with NaN");
    EncodedTensorMap encoded{};
    encoded.magic = EncodedTensorMap::kMagic;
    encoded.element_bytes = static_cast<uint8_t>(bytes);
    encoded.address = address;
    encoded.type = static_cast<uint8_t>(type);
    encoded.rank = static_cast<uint8_t>(rank);
    encoded.swizzle = static_cast<uint8_t>(swizzle);
    encoded.promotion = static_cast<uint8_t>(promotion);
    encoded.interleave = static_cast<uint8_t>(interleave);
    encoded.fills_with_nan = static_cast<uint8_t>(fill);
    for (unsigned d = 0; d < rank; d++) {
        if (dims[d] < 1 || dims[d] > uint64_t{1} << 32)
            return broken("a dimension is not within 1 to 2^32");
        if (box[d] < 1 || box[d] > 256)
            return broken("a dimension of the box is not within 1 to 256");
        if (steps[d] < 1 || steps[d] > 8)
            return broken("an element stride is not within 1 to 8");
        if (d > 0) {
            if (strides[d - 1] % (interleave == 2 ? 32 : 16) || strides[d - 1] >= uint64_t{1} << 40)
                return broken("a stride is no multiple of 16 bytes below 2^40");
            encoded.strides[d - 1] = strides[d - 1];
        }
        encoded.dims[d] = dims[d];
        encoded.box[d] = static_cast<uint16_t>(box[d]);
        encoded.steps[d] = static_cast<uint16_t>(steps[d]);
    }
    unsigned inner = box[0] * bytes;
    if (!interleave && inner % 16)
        return broken("a row of the box is no multiple of 16 bytes");
    if (!interleave && swizzle && inner > 16u << swizzle)
        return broken("a row of the box is longer than the swizzle's span");
    std::memset(map, 0, 128);
    std::memcpy(map, &encoded, sizeof encoded);
    return CUDA_SUCCESS;
}

} // extern "C"
