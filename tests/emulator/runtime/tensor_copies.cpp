#include "tensor_copies.h"

#include <cstring>

#include "execution.h"
#include "global_shadow.h"
#include "memory_access.h"

namespace emulator {

namespace {
constexpr unsigned kLine = 16, kSector = 32, kTileAlignment = 128;

const EncodedTensorMap& find_map(Thread& thread, const void* pointer, const char* what) {
    constexpr unsigned kAlignment = 64;
    if (reinterpret_cast<uintptr_t>(pointer) % kAlignment)
        fail(kMisalignedAddress, "executes %s with a tensor map at %p, which is not aligned to %u bytes", what, pointer, kAlignment);
    if (!is_constant(*thread.block->launch, pointer, sizeof(EncodedTensorMap)))
        fail(kIllegalAddress, "executes %s with a tensor map at %p, which does not lie in the kernel's arguments", what, pointer);
    auto& map = *static_cast<const EncodedTensorMap*>(pointer);
    if (map.magic != EncodedTensorMap::kMagic)
        fail(kIllegalInstruction, "executes %s with a tensor map that cuTensorMapEncodeTiled did not make", what);
    if (map.swizzle && map.row_bytes() != 16u << map.swizzle)
        fail(kIllegalInstruction, "executes %s whose box has rows of %u bytes, which do not fill the swizzle's span", what,
            map.row_bytes());
    return map;
}

TensorBox find_box(Thread& thread, const void* map, unsigned rank, int x, int y, int z, const char* what) {
    TensorBox box{&find_map(thread, map, what), {x, y, z}, {}};
    if (box.map->rank != rank)
        fail(kIllegalInstruction, "executes %s of %u dimensions with a tensor map of %u", what, rank, box.map->rank);
    return box;
}

/// Calls part(pointer, bytes, offset) for what each row of the box has in the tensor: where it lies, and where in the linear copy.
template <typename Part>
void for_each_row(const TensorBox& box, Part part) {
    const EncodedTensorMap& map = *box.map;
    unsigned rows = map.rows(), row_bytes = map.row_bytes();
    int64_t first = std::max<int64_t>(box.coordinates[0], 0);
    int64_t end = std::min<int64_t>(box.coordinates[0] + int64_t{map.box[0]}, static_cast<int64_t>(map.dims[0]));
    for (unsigned row = 0; row < rows && first < end; row++) {
        uint64_t address = map.address + static_cast<uint64_t>(first) * map.element_bytes;
        bool inside = true;
        for (unsigned d = 1, rest = row; d < map.rank; d++) {
            int64_t place = box.coordinates[d] + int64_t{rest % map.box[d]};
            rest /= map.box[d];
            inside &= place >= 0 && place < static_cast<int64_t>(map.dims[d]);
            address += static_cast<uint64_t>(place) * map.strides[d - 1];
        }
        if (inside)
            part(reinterpret_cast<unsigned char*>(address), static_cast<unsigned>(end - first) * map.element_bytes,
                row * row_bytes + static_cast<unsigned>(first - box.coordinates[0]) * map.element_bytes);
    }
}

/// Accesses as wide as the alignment allows.
template <typename Access>
void in_aligned_parts(unsigned char* pointer, unsigned bytes, Access access) {
    for (unsigned done = 0; done < bytes;) {
        unsigned part = kLine;
        while (reinterpret_cast<uintptr_t>(pointer + done) % part || part > bytes - done)
            part /= 2;
        access(pointer + done, part);
        done += part;
    }
}

uint64_t sectors(const unsigned char* pointer, unsigned bytes) {
    auto address = reinterpret_cast<uintptr_t>(pointer);
    return ((address + bytes - 1) / kSector - address / kSector + 1) * kSector;
}

void check_tensor(Thread& thread, const TensorBox& box, const char* what) {
    require_global(thread, reinterpret_cast<const void*>(box.map->address), what);
}

void read_tensor(Thread& thread, TensorBox& box) {
    const EncodedTensorMap& map = *box.map;
    box.data.assign(size_t{map.rows()} * map.row_bytes(), map.fills_with_nan ? 0xFF : 0);
    for_each_row(box, [&](unsigned char* pointer, unsigned bytes, unsigned offset) {
        in_aligned_parts(pointer, bytes, [&](unsigned char* part, unsigned count) { read_global(thread, part, count); });
        std::memcpy(box.data.data() + offset, pointer, bytes);
    });
}

/// Calls line(offset, data) for each 16 bytes of a box in shared memory: where they lie there, and in the linear copy.
template <typename Line>
void for_each_line(const TensorBox& box, const Block& block, unsigned offset, Line line) {
    unsigned base = block.launch->request.shared_address_base, mask = box.map->swizzle_mask();
    unsigned bytes = box.map->rows() * box.map->row_bytes();
    for (unsigned done = 0; done < bytes; done += kLine)
        line(swizzled(offset + done + base, mask) - base, done);
}
} // namespace

void TensorCopies::load(Thread& thread, TensorBox box, unsigned offset, unsigned barrier_offset, unsigned ranks) {
    Launch& launch = *thread.block->launch;
    Cluster& cluster = *thread.block->cluster;
    check_tensor(thread, box, "a tensor load");
    for (const Block* block : cluster.blocks) {
        if (!(ranks >> block->rank & 1))
            continue;
        Block& target = *cluster.blocks[block->rank];
        find_copy_mbarrier(thread, target, barrier_offset);
        for_each_line(box, target, offset, [&](unsigned line, unsigned) { target.shared_shadow.begin_async(thread, line, kLine); });
    }
    if (ranks >> cluster.blocks.size())
        fail(kIllegalInstruction, "multicasts to the ranks %x of a cluster of %zu blocks", ranks, cluster.blocks.size());
    if (launch.request.count_traffic)
        for_each_row(box, [&](const unsigned char* pointer, unsigned bytes, unsigned) {
            launch.result.traffic.global_read_bytes += sectors(pointer, bytes);
        });
    read_tensor(thread, box);
    uint64_t coins = launch.random.next();
    loads_.push_back({&thread, std::move(box), offset, barrier_offset, ranks, (coins >> 63) != 0});
    if (loads_.back().is_read && coins >> 62 & 1)
        land(loads_.size() - 1);
}

bool TensorCopies::pending(const Block& block) const {
    for (const Load& load : loads_)
        if (load.issuer->block->cluster == block.cluster && load.ranks >> block.rank & 1)
            return true;
    return false;
}

void TensorCopies::land_any(Random& random) { land(random.below(static_cast<uint32_t>(loads_.size()))); }

void TensorCopies::land(size_t index) {
    Load load = std::move(loads_[index]);
    loads_.erase(loads_.begin() + static_cast<std::ptrdiff_t>(index));
    Launch& launch = *load.issuer->block->launch;
    if (launch.in_scheduler)
        running_thread = launch.running = load.issuer;
    if (!load.is_read)
        read_tensor(*load.issuer, load.box);
    write(load);
}

void TensorCopies::write(const Load& load) {
    for (Block* block : load.issuer->block->cluster->blocks) {
        if (!(load.ranks >> block->rank & 1))
            continue;
        uint32_t moment = ++block->async_writes;
        for_each_line(load.box, *block, load.offset, [&](unsigned line, unsigned from) {
            std::memcpy(block->shared + line, load.box.data.data() + from, kLine);
            block->shared_shadow.end_tensor_copy(moment, line, kLine);
        });
        // The whole box counts, with what lies outside of the tensor.
        auto bytes = static_cast<unsigned>(load.box.data.size());
        complete_bytes(*block, load.barrier_offset, bytes, block->clock_base + async_write_column(*block), moment);
    }
}

void BulkGroups::store(Thread& thread, TensorBox box, unsigned offset) {
    Block& block = *thread.block;
    check_tensor(thread, box, "a tensor store");
    for (unsigned d = 0; d < box.map->rank; d++)
        if (box.coordinates[d] < 0)
            fail(kIllegalInstruction, "executes a tensor store at the coordinate %d: those of stores are not negative", box.coordinates[d]);
    for_each_line(box, block, offset, [&](unsigned line, unsigned) { block.shared_shadow.begin_store(thread, line); });
    if (block.launch->request.count_traffic)
        for_each_row(box, [&](const unsigned char* pointer, unsigned bytes, unsigned) {
            block.launch->result.traffic.global_write_bytes += sectors(pointer, bytes);
        });
    uint64_t coins = block.launch->random.next();
    Store& store = stores_.emplace_back(Store{std::move(box), offset, group_, false, false, false});
    if (coins >> 63)
        read(thread, store);
    if (store.is_read && coins >> 62 & 1)
        write(thread, store);
}

void BulkGroups::read(Thread& thread, Store& store) {
    if (store.is_read)
        return;
    store.is_read = true;
    store.box.data.resize(size_t{store.box.map->rows()} * store.box.map->row_bytes());
    for_each_line(store.box, *thread.block, store.offset,
        [&](unsigned line, unsigned to) { std::memcpy(store.box.data.data() + to, thread.block->shared + line, kLine); });
}

void BulkGroups::write(Thread& thread, Store& store) {
    if (store.is_written)
        return;
    store.is_written = true;
    for_each_row(store.box, [&](unsigned char* pointer, unsigned bytes, unsigned offset) {
        in_aligned_parts(pointer, bytes, [&](unsigned char* part, unsigned count) { write_global(thread, part, count); });
        std::memcpy(pointer, store.box.data.data() + offset, bytes);
    });
}

void BulkGroups::wait(Thread& thread, unsigned newest_left, bool read_only) {
    for (Store& store : stores_) {
        if (store.group + newest_left >= group_)
            break;
        read(thread, store);
        if (!store.source_is_free) {
            store.source_is_free = true;
            for_each_line(store.box, *thread.block, store.offset,
                [&](unsigned line, unsigned) { thread.block->shared_shadow.end_store(thread, line); });
        }
        if (!read_only)
            write(thread, store);
    }
    while (!stores_.empty() && stores_.front().is_written && stores_.front().source_is_free)
        stores_.pop_front();
}

void BulkGroups::finish(Thread& thread) {
    for (Store& store : stores_) {
        if (!store.source_is_free)
            fail(kLaunchFailed, "ends while its tensor stores may still read shared memory (no wait for their groups)");
        write(thread, store);
    }
    stores_.clear();
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_tensor_load(unsigned address, const void* map, unsigned dimensions, int x, int y, int z, unsigned barrier, unsigned ranks) {
    Thread& thread = *current_thread();
    TensorBox box = find_box(thread, map, dimensions, x, y, z, "a tensor load");
    unsigned offset = own_shared_offset(thread, address, kTileAlignment, "a tensor load into a tile");
    unsigned barrier_offset = own_shared_offset(thread, barrier, 8, "a tensor load with an mbarrier");
    thread.block->launch->tensor_copies.load(thread, std::move(box), offset, barrier_offset, ranks ? ranks : 1u << thread.block->rank);
    maybe_preempt(thread);
}

void emulator_tensor_store(const void* map, unsigned dimensions, int x, int y, int z, unsigned address) {
    Thread& thread = *current_thread();
    TensorBox box = find_box(thread, map, dimensions, x, y, z, "a tensor store");
    thread.bulk_groups.store(thread, std::move(box), own_shared_offset(thread, address, kTileAlignment, "a tensor store from a tile"));
    maybe_preempt(thread);
}

void emulator_bulk_commit() { current_thread()->bulk_groups.commit(); }

void emulator_bulk_wait(unsigned newest_left, bool read_only) {
    Thread& thread = *current_thread();
    thread.bulk_groups.wait(thread, newest_left, read_only);
}

void emulator_prefetch_tensor_map(const void* map) { find_map(*current_thread(), map, "a prefetch"); }

} // extern "C"
