#include "collectives.h"

#include <cstring>

#include "memory_access.h"

namespace emulator {

namespace {
struct Exchange {
    unsigned value, lane, result;
};

template <typename Choose>
unsigned exchange(const char* name, unsigned mask, unsigned value, unsigned lane, const void* place, Choose choose) {
    Exchange mine{value, lane, 0};
    together(name, mask, place, mine, [&](Collective& all) {
        for (unsigned rest = mask; rest; rest &= rest - 1) {
            unsigned to = __builtin_ctz(rest);
            auto& operand = operand_of<Exchange>(all, to);
            unsigned from = choose(to, operand.lane) % kWarpSize;
            if (!(mask & (1u << from)))
                fail(kIllegalInstruction, "executes %s, in which lane %u reads lane %u outside of mask %08x", name, to, from, mask);
            operand.result = operand_of<Exchange>(all, from).value;
        }
    });
    return mine.result;
}

struct Matrix {
    unsigned address;
    EmulatedWords4 result;
};

void load_matrices(Collective& all, bool transposed) {
    Block& block = *current_thread()->block;
    unsigned base = block.launch->request.shared_address_base;
    uint16_t rows[4][8][8];
    uintptr_t addresses[8];
    for (unsigned matrix = 0; matrix < 4; matrix++) {
        for (unsigned row = 0; row < 8; row++) {
            unsigned lane = 8 * matrix + row, address = operand_of<Matrix>(all, lane).address - base;
            const unsigned char* pointer = block.shared + address;
            require_alignment(pointer, 16, "a row of ldmatrix");
            // Each row is read by the lane that gives its address.
            block.shared_shadow.read(block.warps[current_thread()->warp->index].thread(lane), address, 16);
            std::memcpy(rows[matrix][row], pointer, 16);
            addresses[row] = reinterpret_cast<uintptr_t>(pointer);
        }
        if (block.launch->request.count_traffic)
            count_shared(addresses, 8, 16, 0xFF, block.launch->result.traffic);
    }
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        unsigned g = lane / 4, t = lane % 4, words[4];
        for (unsigned matrix = 0; matrix < 4; matrix++) {
            auto& tile = rows[matrix];
            unsigned low = transposed ? tile[2 * t][g] : tile[g][2 * t], high = transposed ? tile[2 * t + 1][g] : tile[g][2 * t + 1];
            words[matrix] = low | high << 16;
        }
        operand_of<Matrix>(all, lane).result = {words[0], words[1], words[2], words[3]};
    }
}

struct Product {
    EmulatedWords4 a;
    unsigned b[2];
    EmulatedFloats4 c;
};

float from_bf16(uint16_t bits) {
    uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
}

float from_f16(uint16_t bits) {
    _Float16 value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

/// mma.m16n8k16 by its fragment layouts (g = lane / 4, t = lane % 4): A register r holds row g + 8 (r & 1), k 2t + 8 (r >> 1) + {0, 1};
/// B register r holds k 2t + 8r + {0, 1}, column g; C element 2h + e is row g + 8h, column 2t + e. Sums ascend in k, in float32.
template <float (*Widen)(uint16_t)>
void multiply(Collective& all) {
    float a[16][16], b[16][8], c[16][8];
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        unsigned g = lane / 4, t = lane % 4;
        const auto& operand = operand_of<Product>(all, lane);
        const unsigned registers[4] = {operand.a.x, operand.a.y, operand.a.z, operand.a.w};
        for (unsigned r = 0; r < 4; r++) {
            for (unsigned e = 0; e < 2; e++)
                a[g + 8 * (r & 1)][2 * t + 8 * (r >> 1) + e] = Widen(static_cast<uint16_t>(registers[r] >> 16 * e));
        }
        for (unsigned r = 0; r < 2; r++) {
            for (unsigned e = 0; e < 2; e++)
                b[2 * t + 8 * r + e][g] = Widen(static_cast<uint16_t>(operand.b[r] >> 16 * e));
        }
        c[g][2 * t] = operand.c.x, c[g][2 * t + 1] = operand.c.y, c[g + 8][2 * t] = operand.c.z, c[g + 8][2 * t + 1] = operand.c.w;
    }
    for (unsigned k = 0; k < 16; k++) {
        for (unsigned row = 0; row < 16; row++) {
            for (unsigned column = 0; column < 8; column++)
                c[row][column] = __builtin_fmaf(a[row][k], b[k][column], c[row][column]);
        }
    }
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        unsigned g = lane / 4, t = lane % 4;
        operand_of<Product>(all, lane).c = {c[g][2 * t], c[g][2 * t + 1], c[g + 8][2 * t], c[g + 8][2 * t + 1]};
    }
    current_thread()->block->launch->result.traffic.tensor_flops += 2 * 16 * 8 * 16;
}
} // namespace

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_syncwarp(unsigned mask) {
    int nothing = 0;
    together("__syncwarp", mask, nullptr, nothing, [&](Collective&) {
        Thread& last = *current_thread();
        VectorClocks& clocks = last.block->clocks;
        std::vector<uint32_t> known(clocks.threads(), 0);
        for (unsigned rest = mask; rest; rest &= rest - 1)
            clocks.join(known, last.warp->thread(__builtin_ctz(rest)).index);
        for (unsigned rest = mask; rest; rest &= rest - 1) {
            unsigned index = last.warp->thread(__builtin_ctz(rest)).index;
            clocks.learn(index, known);
            clocks.advance(index);
        }
    });
}

unsigned emulator_shfl(unsigned mask, unsigned value, unsigned source_lane) {
    return exchange("__shfl_sync", mask, value, source_lane, __builtin_return_address(0), [](unsigned, unsigned lane) { return lane; });
}

unsigned emulator_shfl_xor(unsigned mask, unsigned value, unsigned lane_mask) {
    return exchange("__shfl_xor_sync", mask, value, lane_mask, __builtin_return_address(0), [](unsigned to, unsigned bits) { return to ^ bits; });
}

unsigned emulator_ballot(unsigned mask, bool predicate) {
    Exchange mine{predicate, 0, 0};
    together("__ballot_sync", mask, __builtin_return_address(0), mine, [&](Collective& all) {
        unsigned votes = 0;
        for (unsigned rest = mask; rest; rest &= rest - 1)
            votes |= operand_of<Exchange>(all, __builtin_ctz(rest)).value << __builtin_ctz(rest);
        for (unsigned rest = mask; rest; rest &= rest - 1)
            operand_of<Exchange>(all, __builtin_ctz(rest)).result = votes;
    });
    return mine.result;
}

EmulatedWords4 emulator_ldmatrix_x4(unsigned address, bool transposed) {
    Matrix mine{address, {}};
    together(transposed ? "ldmatrix.trans" : "ldmatrix", kAllLanes, __builtin_return_address(0), mine,
        [&](Collective& all) { load_matrices(all, transposed); });
    return mine.result;
}

EmulatedFloats4 emulator_mma_m16n8k16_bf16(EmulatedWords4 a, unsigned b0, unsigned b1, EmulatedFloats4 c) {
    Product mine{a, {b0, b1}, c};
    together("mma.bf16", kAllLanes, __builtin_return_address(0), mine, multiply<from_bf16>);
    return mine.c;
}

EmulatedFloats4 emulator_mma_m16n8k16_f16(EmulatedWords4 a, unsigned b0, unsigned b1, EmulatedFloats4 c) {
    Product mine{a, {b0, b1}, c};
    together("mma.f16", kAllLanes, __builtin_return_address(0), mine, multiply<from_f16>);
    return mine.c;
}

} // extern "C"
