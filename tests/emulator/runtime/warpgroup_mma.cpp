#include "warpgroup_mma.h"

#include <cmath>
#include <cstring>

#include "collectives.h"
#include "matrix_operand.h"
#include "memory_access.h"
#include "number_formats.h"

namespace emulator {

namespace {
constexpr unsigned kRows = 16, kDepth = 16, kWarpsOfGroup = 4, kAddressMask = 0x3FFFF;

/// Calls chunk(mn, k, offset in shared memory) for each 16 bytes of the elements from first_mn on.
template <typename Chunk>
void for_each_chunk(const MatrixOperand& matrix, const Block& block, unsigned first_mn, unsigned count, Chunk chunk) {
    unsigned base = block.launch->request.shared_address_base;
    unsigned mn_step = matrix.mn_major ? 8 : 1, k_step = matrix.mn_major ? 1 : 8;
    for (unsigned mn = 0; mn < count; mn += mn_step)
        for (unsigned k = 0; k < kDepth; k += k_step)
            chunk(mn, k, ((matrix.address(first_mn + mn, k) - base) & kAddressMask));
}

MatrixOperand decode(uint64_t descriptor, bool mn_major, const char* name) {
    MatrixOperand matrix;
    if (!MatrixOperand::decode(descriptor, mn_major, matrix))
        fail(kIllegalInstruction, "executes wgmma whose descriptor of %s, %016llx, has a field that is none, or a tile off its swizzle's pattern",
            name, static_cast<unsigned long long>(descriptor));
    return matrix;
}

/// Widens a matrix, [K][elements] or [elements][K].
template <typename Format>
void load_matrix(const MatrixOperand& matrix, const Block& block, unsigned first_mn, unsigned count, float* to, unsigned mn_pitch,
    unsigned k_pitch) {
    for_each_chunk(matrix, block, first_mn, count, [&](unsigned mn, unsigned k, unsigned offset) {
        uint16_t elements[8];
        std::memcpy(elements, block.shared + offset, sizeof elements);
        float* first = to + mn * mn_pitch + k * k_pitch;
        for (unsigned i = 0; i < 8; i++)
            first[i * (matrix.mn_major ? mn_pitch : k_pitch)] = Format::widen(elements[i]);
    });
}

/// The place of a lane's element of its sums: row * columns + column.
unsigned place_of(unsigned lane, unsigned element, unsigned columns) {
    unsigned g = lane / 4, t = lane % 4, j = element / 4, h = element / 2 % 2, e = element % 2;
    return (g + 8 * h) * columns + 8 * j + 2 * t + e;
}

template <typename Format>
void multiply_slab(const Warp& warp, const EmulatedWgmma& product, const unsigned* const (&registers)[kWarpSize], float* sums) {
    const Block& block = *warp.block;
    unsigned columns = product.columns;
    alignas(64) float a[kRows * kDepth], b[kDepth * 256];
    if (product.a) {
        for (unsigned lane = 0; lane < kWarpSize; lane++) {
            for (unsigned r = 0; r < 4; r++) {
                unsigned row = lane / 4 + 8 * (r & 1), k = 2 * (lane % 4) + 8 * (r >> 1);
                a[row * kDepth + k] = Format::low(registers[lane][r]), a[row * kDepth + k + 1] = Format::high(registers[lane][r]);
            }
        }
    } else {
        MatrixOperand matrix = decode(product.a_descriptor, product.a_mn_major, "A");
        load_matrix<Format>(matrix, block, warp.index % kWarpsOfGroup * kRows, kRows, a, kDepth, 1);
    }
    load_matrix<Format>(decode(product.b_descriptor, product.b_mn_major, "B"), block, 0, columns, b, 1, columns);
    if (!product.accumulates)
        std::fill_n(sums, kRows * columns, 0.0f);
    // Sums ascend in k, in float32.
    for (unsigned row = 0; row < kRows; row++) {
        float* line = sums + row * columns;
        for (unsigned k = 0; k < kDepth; k++) {
            float factor = a[row * kDepth + k];
            const float* others = b + k * columns;
            for (unsigned i = 0; i < columns; i++)
                line[i] += factor * others[i];
        }
    }
}
} // namespace

void WarpProducts::clear() {
    waiting_.clear();
    sums_.clear();
    log_.clear();
    issued_ = 0;
}

void WarpProducts::check_operands(const Warp& warp, const EmulatedWgmma* const (&operands)[32]) {
    const EmulatedWgmma& first = *operands[0];
    if (first.columns < 8 || first.columns > 256 || first.columns % 8)
        fail(kIllegalInstruction, "executes wgmma with %u columns: they are a multiple of 8 from 8 to 256", first.columns);
    if (warp.block->launch->request.shared_address_base == 0)
        fail(kIllegalInstruction, "executes wgmma, which only sm_90a has");
    if (warp.block->warps.size() % kWarpsOfGroup)
        fail(kIllegalInstruction, "executes wgmma in a block of %zu warps, which are no warpgroups of 4", warp.block->warps.size());
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        const EmulatedWgmma& one = *operands[lane];
        if (one.b_descriptor != first.b_descriptor || (!one.a && one.a_descriptor != first.a_descriptor)
            || one.accumulates != first.accumulates)
            fail(kIllegalInstruction, "executes wgmma in which lane %u has another descriptor or scale than lane 0", lane);
        const Thread& thread = warp.thread(lane);
        if (thread.warpgroup.committed != warp.thread(0).warpgroup.committed)
            fail(kIllegalInstruction, "executes wgmma in which lane %u has committed another number of groups than lane 0", lane);
        if (one.a && !thread.warpgroup.fenced_in_group)
            fail(kLaunchFailed, "executes wgmma with operands in registers and no wgmma.fence in this group");
    }
}

/// The warps of a warpgroup execute the same products.
void WarpProducts::check_siblings(Warp& warp, const EmulatedWgmma& product) {
    auto& log = warp.block->warps[warp.index / kWarpsOfGroup * kWarpsOfGroup].products.log_;
    if (issued_ == log.size()) {
        log.push_back(product);
    } else {
        const EmulatedWgmma& other = log[issued_];
        if (other.b_descriptor != product.b_descriptor || (!product.a && other.a_descriptor != product.a_descriptor)
            || other.columns != product.columns || other.accumulates != product.accumulates)
            fail(kIllegalInstruction, "executes a wgmma that differs from the one that another warp of its warpgroup executed");
    }
    issued_++;
}

WarpProducts::Sums& WarpProducts::sums_of(Warp& warp, const EmulatedWgmma* const (&operands)[32]) {
    unsigned columns = operands[0]->columns;
    for (Sums& each : sums_) {
        if (each.fragments[0] != operands[0]->sums)
            continue;
        if (each.columns != columns || each.delivered)
            fail(kIllegalInstruction, "executes wgmma on sums of another shape, or for which only some lanes have waited");
        return each;
    }
    Sums& made = sums_.emplace_back();
    made.columns = columns;
    made.values.resize(kRows * columns);
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        if (!warp.thread(lane).warpgroup.fenced)
            fail(kLaunchFailed, "executes wgmma on sums with no wgmma.fence since they were touched");
        made.fragments[lane] = operands[lane]->sums;
        for (unsigned i = 0; i < columns / 2; i++) {
            made.values[place_of(lane, i, columns)] = operands[lane]->sums[i];
            operands[lane]->sums[i] = NAN;    // until they are waited for
        }
    }
    return made;
}

void WarpProducts::issue(Warp& warp, const EmulatedWgmma* const (&operands)[32]) {
    check_operands(warp, operands);
    const EmulatedWgmma& first = *operands[0];
    check_siblings(warp, first);
    Product& product = waiting_.emplace_back();
    product.operand = first;
    for (unsigned lane = 0; lane < kWarpSize; lane++)
        product.a[lane] = operands[lane]->a;
    product.sums = &sums_of(warp, operands);
    product.group = product.sums->last_group = warp.thread(0).warpgroup.committed;

    // Each lane must have seen what is read; one of them, by the seed, stands for all.
    Block& block = *warp.block;
    Launch& launch = *block.launch;
    const Thread& reader = warp.thread(launch.random.below(kWarpSize));
    uint32_t moment = product.group + 1;
    auto check = [&](unsigned, unsigned, unsigned offset) { block.shared_shadow.read_product(reader, offset, moment); };
    if (!first.a)
        for_each_chunk(decode(first.a_descriptor, first.a_mn_major, "A"), block, warp.index % kWarpsOfGroup * kRows, kRows, check);
    for_each_chunk(decode(first.b_descriptor, first.b_mn_major, "B"), block, 0, first.columns, check);
    launch.result.traffic.tensor_flops += 2 * kRows * kDepth * first.columns;
    if (launch.random.coin())
        run(warp, waiting_.size());
}

void WarpProducts::run(const Warp& warp, size_t count) {
    for (size_t i = 0; i < count; i++) {
        Product& product = waiting_.front();
        auto run_one = product.operand.is_bf16 ? multiply_slab<Bf16> : multiply_slab<F16>;
        run_one(warp, product.operand, product.a, product.sums->values.data());
        waiting_.pop_front();
    }
}

void WarpProducts::wait(Thread& thread, unsigned newest_left) {
    unsigned committed = thread.warpgroup.committed, ended = committed > newest_left ? committed - newest_left : 0;
    size_t count = 0;
    while (count < waiting_.size() && waiting_[count].group < ended)
        count++;
    run(*thread.warp, count);
    for (auto sums = sums_.begin(); sums != sums_.end();) {
        if (sums->last_group < ended && !(sums->delivered & thread.bit())) {
            for (unsigned i = 0; i < sums->columns / 2; i++)
                sums->fragments[thread.lane][i] = sums->values[place_of(thread.lane, i, sums->columns)];
            sums->delivered |= thread.bit();
            thread.warpgroup.fenced = false;
        }
        sums = sums->delivered == kAllLanes ? sums_.erase(sums) : std::next(sums);
    }
    clocks_of(thread).learn(thread.clock_index, thread.block->clock_base + product_column(*thread.block, thread.warp->index), ended);
}

void WarpProducts::finish(const Thread& thread) const {
    for (const Sums& sums : sums_)
        if (!(sums.delivered & thread.bit()))
            fail(kLaunchFailed, "ends with products of its warpgroup that it did not wait for");
}

void WarpProducts::finish(const Block& block) {
    for (const Warp& warp : block.warps) {
        size_t expected = block.warps[warp.index / kWarpsOfGroup * kWarpsOfGroup].products.log_.size();
        if (warp.products.issued_ != expected)
            fail(kIllegalInstruction, "ends with %u wgmma instructions by warp %u, of which its warpgroup executed %zu",
                warp.products.issued_, warp.index, expected);
    }
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_wgmma(const EmulatedWgmma* operand) {
    auto mine = *operand;
    together("wgmma", kAllLanes, __builtin_return_address(0), mine, [&](Collective& all) {
        const EmulatedWgmma* operands[kWarpSize];
        for (unsigned lane = 0; lane < kWarpSize; lane++)
            operands[lane] = &operand_of<EmulatedWgmma>(all, lane);
        Warp& warp = *current_thread()->warp;
        warp.products.issue(warp, operands);
    });
}

void emulator_wgmma_fence() {
    WarpgroupThread& mine = current_thread()->warpgroup;
    mine.fenced = mine.fenced_in_group = true;
}

void emulator_wgmma_commit() {
    WarpgroupThread& mine = current_thread()->warpgroup;
    mine.committed++;
    mine.fenced_in_group = false;
}

void emulator_wgmma_wait(unsigned newest_left) {
    Thread& thread = *current_thread();
    thread.warp->products.wait(thread, newest_left);
}

} // extern "C"
