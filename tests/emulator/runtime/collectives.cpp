#include "collectives.h"

#include <cstring>

#include "memory_access.h"
#include "number_formats.h"

namespace emulator {

void fail_collective(const char* name, unsigned mask, const void* place, const Collective& open) {
    fail(kIllegalInstruction, "executes %s with mask %08x while lanes %08x of its warp wait in %s with mask %08x%s", name, mask,
        open.arrived, open.name,
        open.mask, open.name == name && open.mask == mask && open.place != place ? " elsewhere in the code" : "");
}

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
    Warp& warp = *current_thread()->warp;
    unsigned base = block.launch->request.shared_address_base;
    uint16_t rows[4][8][8];
    uintptr_t addresses[8];
    for (unsigned matrix = 0; matrix < 4; matrix++) {
        for (unsigned row = 0; row < 8; row++) {
            unsigned lane = 8 * matrix + row, address = operand_of<Matrix>(all, lane).address - base;
            const unsigned char* pointer = block.shared + address;
            if (address % 16 != 0)
                fail(kMisalignedAddress, "executes ldmatrix in which lane %u gives the address %u, which is not aligned to 16 bytes", lane,
                    address);
            // Each row is read by the lane that gives its address.
            block.shared_shadow.read(warp.thread(lane), address, 16);
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

/// mma.m16n8k16 by its fragment layouts (g = lane / 4, t = lane % 4): A register r holds row g + 8 (r & 1), k 2t + 8 (r >> 1) + {0, 1};
/// B register r holds k 2t + 8r + {0, 1}, column g; C element 2h + e is row g + 8h, column 2t + e. Sums ascend in k, in float32.
template <typename Format>
void multiply(Collective& all) {
    uint32_t a_pairs[16 * 8], b_pairs[8 * 8];    // [row][k / 2], [k / 2][column]
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        unsigned g = lane / 4, t = lane % 4;
        const auto& operand = operand_of<Product>(all, lane);
        a_pairs[g * 8 + t] = operand.a.x, a_pairs[(g + 8) * 8 + t] = operand.a.y;
        a_pairs[g * 8 + t + 4] = operand.a.z, a_pairs[(g + 8) * 8 + t + 4] = operand.a.w;
        b_pairs[t * 8 + g] = operand.b[0], b_pairs[(t + 4) * 8 + g] = operand.b[1];
    }
    alignas(64) float a[2][16 * 8], b[2][8 * 8];    // [k % 2], and as above
    for (unsigned i = 0; i < 16 * 8; i++)
        a[0][i] = Format::low(a_pairs[i]), a[1][i] = Format::high(a_pairs[i]);
    for (unsigned i = 0; i < 8 * 8; i++)
        b[0][i] = Format::low(b_pairs[i]), b[1][i] = Format::high(b_pairs[i]);
    using Row = float __attribute__((vector_size(32)));
    Row columns[16];
    for (unsigned k = 0; k < 16; k++)
        std::memcpy(&columns[k], &b[k % 2][k / 2 * 8], sizeof columns[k]);
    for (unsigned g = 0; g < 8; g++) {
        // Rows g and g + 8 of C lie in lanes 4 g to 4 g + 3, two columns of each in each.
        float c[2][8];
        for (unsigned t = 0; t < 4; t++) {
            const EmulatedFloats4& part = operand_of<Product>(all, 4 * g + t).c;
            c[0][2 * t] = part.x, c[0][2 * t + 1] = part.y, c[1][2 * t] = part.z, c[1][2 * t + 1] = part.w;
        }
        Row sums[2];
        std::memcpy(sums, c, sizeof sums);
        for (unsigned k = 0; k < 16; k++) {
            sums[0] += a[k % 2][g * 8 + k / 2] * columns[k];
            sums[1] += a[k % 2][(g + 8) * 8 + k / 2] * columns[k];
        }
        std::memcpy(c, sums, sizeof sums);
        for (unsigned t = 0; t < 4; t++)
            operand_of<Product>(all, 4 * g + t).c = {c[0][2 * t], c[0][2 * t + 1], c[1][2 * t], c[1][2 * t + 1]};
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
        Warp& warp = *current_thread()->warp;
        VectorClocks& clocks = warp.block->cluster->clocks;
        std::vector<uint32_t>& known = clocks.scratch();
        for (unsigned rest = mask; rest; rest &= rest - 1)
            clocks.join(known, warp.thread(__builtin_ctz(rest)).clock_index);
        for (unsigned rest = mask; rest; rest &= rest - 1) {
            unsigned index = warp.thread(__builtin_ctz(rest)).clock_index;
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
    together("mma.bf16", kAllLanes, __builtin_return_address(0), mine, multiply<Bf16>);
    return mine.c;
}

EmulatedFloats4 emulator_mma_m16n8k16_f16(EmulatedWords4 a, unsigned b0, unsigned b1, EmulatedFloats4 c) {
    Product mine{a, {b0, b1}, c};
    together("mma.f16", kAllLanes, __builtin_return_address(0), mine, multiply<F16>);
    return mine.c;
}

} // extern "C"
