// Accesses to memory: 16 bytes at once, asynchronous copies, and rows of numbers whatever their type.
#pragma once

#include "convert.cuh"
#include "device.cuh"

/// Where something lies in the block's shared memory, as PTX counts it. Compute it once from a pointer, then add.
using SharedAddress = u32;

DEVICE SharedAddress shared_address(const void* pointer) {
    PTX(return static_cast<u32>(__cvta_generic_to_shared(pointer)), return emulator_shared_address(pointer));
}

/// 16 bytes from or to an address that is aligned to 16.
DEVICE Words4 load16(const void* pointer) {
    // The built-in vector type: a struct of its own the compiler may take to pieces.
#ifdef PIXIO_EMULATED
    return __builtin_bit_cast(Words4, emulator_load16(pointer));
#else
    uint4 words = *static_cast<const uint4*>(pointer);
    return {words.x, words.y, words.z, words.w};
#endif
}

DEVICE void store16(void* pointer, Words4 value) {
    PTX(*static_cast<uint4*>(pointer) = make_uint4(value.x, value.y, value.z, value.w), emulator_store16(pointer, __builtin_bit_cast(EmulatedWords4, value)));
}

/// 8 bytes from or to an address that is aligned to 8.
DEVICE u64 load8(const void* pointer) {
    u64 value;
    PTX(value = *static_cast<const u64*>(pointer), value = emulator_load8(pointer));
    return value;
}

DEVICE void store8(void* pointer, u64 value) { PTX(*static_cast<u64*>(pointer) = value, emulator_store8(pointer, value)); }

/// 16 bytes from or to shared memory.
DEVICE Words4 load_shared16(SharedAddress address) {
    Words4 value;
    PTX(asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "r"(address) : "memory"),
        value = __builtin_bit_cast(Words4, emulator_load16(emulator_shared_pointer(address))));
    return value;
}

DEVICE void store_shared16(SharedAddress address, Words4 value) {
    PTX(asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w) : "memory"),
        emulator_store16(emulator_shared_pointer(address), __builtin_bit_cast(EmulatedWords4, value)));
}

DEVICE void store_shared4(SharedAddress address, u32 value) {
    PTX(asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory"), *static_cast<u32*>(emulator_shared_pointer(address)) = value);
}

/// 16 bytes from global to shared memory, past the first-level cache, some time before the wait for its group; of the source only `valid`
/// bytes are read, the rest is zeros. The source must point into an allocation even when nothing is read.
DEVICE void cp_async16(SharedAddress destination, const void* source, u32 valid = 16) {
    PTX(asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(destination), "l"(source), "r"(valid) : "memory"),
        emulator_cp_async(emulator_shared_pointer(destination), source, 16, valid));
}

/// As cp_async16, for sources aligned to 4 bytes only.
DEVICE void cp_async4(SharedAddress destination, const void* source, u32 valid = 4) {
    PTX(asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(destination), "l"(source), "r"(valid) : "memory"),
        emulator_cp_async(emulator_shared_pointer(destination), source, 4, valid));
}

/// Ends a group of this thread's copies.
DEVICE void cp_async_commit() { PTX(asm volatile("cp.async.commit_group;" ::: "memory"), emulator_cp_async_commit()); }

/// Waits until at most the newest kNewest groups of this thread are under way. Other threads see the data behind a barrier.
template <u32 kNewest>
DEVICE void cp_async_wait() {
    PTX(asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory"), emulator_cp_async_wait(kNewest));
}

/// 16 bytes to global memory, aligned to 16, by one instruction: the compiler may take a plain store of 16 bytes to pieces.
DEVICE void store_global16(void* pointer, Words4 value) {
    PTX(asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};"
                     ::"l"(__cvta_generic_to_global(pointer)), "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w) : "memory"),
        emulator_store16(pointer, __builtin_bit_cast(EmulatedWords4, value)));
}

/// kCount neighbouring numbers as floats, with as few accesses as their size allows; the address is aligned to all of them, or to 16 bytes.
template <u32 kCount, typename T>
DEVICE void load_floats(const T* pointer, float (&values)[kCount]) {
    constexpr u32 kBytes = kCount * sizeof(T);
    if constexpr (kSame<T, f32>) {
        if constexpr (kBytes % 16 == 0) {
            UNROLL for (u32 i = 0; i < kCount; i += 4) {
                Words4 words = load16(pointer + i);
                values[i] = as_float(words.x), values[i + 1] = as_float(words.y), values[i + 2] = as_float(words.z), values[i + 3] = as_float(words.w);
            }
        } else if constexpr (kBytes == 8) {
            u64 words = load8(pointer);
            values[0] = as_float(static_cast<u32>(words)), values[1] = as_float(static_cast<u32>(words >> 32));
        } else {
            static_assert(kCount == 1);
            values[0] = *pointer;
        }
    } else if constexpr (kBytes == 2) {
        values[0] = to_float(*pointer);
    } else {
        u32 words[kBytes / 4];
        if constexpr (kBytes % 16 == 0) {
            UNROLL for (u32 i = 0; i < kBytes / 4; i += 4) {
                Words4 loaded = load16(pointer + 2 * i);
                words[i] = loaded.x, words[i + 1] = loaded.y, words[i + 2] = loaded.z, words[i + 3] = loaded.w;
            }
        } else if constexpr (kBytes == 8) {
            u64 loaded = load8(pointer);
            words[0] = static_cast<u32>(loaded), words[1] = static_cast<u32>(loaded >> 32);
        } else {
            static_assert(kBytes == 4);
            words[0] = *reinterpret_cast<const u32*>(pointer);
        }
        UNROLL for (u32 i = 0; i < kBytes / 4; i++) {
            Floats2 pair = unpack2<T>(words[i]);
            values[2 * i] = pair.low, values[2 * i + 1] = pair.high;
        }
    }
}

/// The reverse of load_floats, to global memory; rounds to nearest even.
template <u32 kCount, typename T>
DEVICE void store_floats(T* pointer, const float (&values)[kCount]) {
    constexpr u32 kBytes = kCount * sizeof(T);
    if constexpr (kBytes == sizeof(T)) {
        *pointer = from_float<T>(values[0]);
    } else {
        u32 words[kBytes / 4];
        UNROLL for (u32 i = 0; i < kBytes / 4; i++) {
            if constexpr (kSame<T, f32>)
                words[i] = as_bits(values[i]);
            else
                words[i] = pack2<T>(values[2 * i], values[2 * i + 1]);
        }
        u8* bytes = reinterpret_cast<u8*>(pointer);
        if constexpr (kBytes % 16 == 0) {
            UNROLL for (u32 i = 0; i < kBytes / 4; i += 4) store_global16(bytes + 4 * i, {words[i], words[i + 1], words[i + 2], words[i + 3]});
        } else if constexpr (kBytes == 8) {
            store8(bytes, words[0] | static_cast<u64>(words[1]) << 32);
        } else {
            static_assert(kBytes == 4);
            *reinterpret_cast<u32*>(bytes) = words[0];
        }
    }
}

/// The most neighbouring elements of a row of `columns` that one access of at most 16 bytes can take, given rows that lie end to end.
template <typename T>
constexpr u32 widest_vector(u32 columns) {
    u32 width = 16 / sizeof(T);
    while (columns % width != 0)
        width /= 2;
    return width;
}

/// As cp_async16, for sources aligned to 8 bytes only.
DEVICE void cp_async8(SharedAddress destination, const void* source, u32 valid = 8) {
    PTX(asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(destination), "l"(source), "r"(valid) : "memory"),
        emulator_cp_async(emulator_shared_pointer(destination), source, 8, valid));
}

/// 8 and 4 bytes from or to shared memory.
DEVICE u64 load_shared8(SharedAddress address) {
    u64 value;
    PTX(asm volatile("ld.shared.u64 %0, [%1];" : "=l"(value) : "r"(address) : "memory"), value = emulator_load8(emulator_shared_pointer(address)));
    return value;
}

DEVICE void store_shared8(SharedAddress address, u64 value) {
    PTX(asm volatile("st.shared.u64 [%0], %1;" ::"r"(address), "l"(value) : "memory"), emulator_store8(emulator_shared_pointer(address), value));
}

DEVICE u32 load_shared4(SharedAddress address) {
    u32 value;
    PTX(asm volatile("ld.shared.u32 %0, [%1];" : "=r"(value) : "r"(address) : "memory"), value = *static_cast<u32*>(emulator_shared_pointer(address)));
    return value;
}

DEVICE void store_shared2(SharedAddress address, u16 value) {
    PTX(asm volatile("st.shared.u16 [%0], %1;" ::"r"(address), "h"(value) : "memory"), *static_cast<u16*>(emulator_shared_pointer(address)) = value);
}
