#include "traffic.h"

#include <algorithm>
#include <vector>

#include "execution.h"

namespace emulator {

namespace {
constexpr unsigned kBanks = 32, kBankBytes = 4, kSectorBytes = 32;
constexpr unsigned kBytesPerPass = kBanks * kBankBytes;

/// The passes that a group of lanes needs: the most different words that one bank has to give.
unsigned passes(const uintptr_t* addresses, unsigned count, unsigned bytes) {
    uintptr_t words[kWarpSize * 4];
    unsigned word_count = 0;
    for (unsigned i = 0; i < count; i++) {
        for (uintptr_t word = addresses[i] / kBankBytes; word <= (addresses[i] + bytes - 1) / kBankBytes; word++)
            words[word_count++] = word;
    }
    std::sort(words, words + word_count);
    word_count = static_cast<unsigned>(std::unique(words, words + word_count) - words);
    unsigned load[kBanks] = {}, most = 0;
    for (unsigned i = 0; i < word_count; i++)
        most = std::max(most, ++load[words[i] % kBanks]);
    return most;
}

void count_global(const uintptr_t* addresses, unsigned count, unsigned bytes, uint64_t& total) {
    uintptr_t sectors[kWarpSize * 2];
    unsigned sector_count = 0;
    for (unsigned i = 0; i < count; i++) {
        for (uintptr_t sector = addresses[i] / kSectorBytes; sector <= (addresses[i] + bytes - 1) / kSectorBytes; sector++) {
            if (sector_count == 0 || sectors[sector_count - 1] != sector)
                sectors[sector_count++] = sector;
        }
    }
    std::sort(sectors, sectors + sector_count);
    total += static_cast<uint64_t>(std::unique(sectors, sectors + sector_count) - sectors) * kSectorBytes;
}

void count_group(const Access* const* group, unsigned count, unsigned lanes, Traffic& traffic) {
    uintptr_t addresses[kWarpSize];
    unsigned bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        addresses[i] = group[i]->address;
        bytes = std::max<unsigned>(bytes, group[i]->bytes);
    }
    switch (group[0]->kind) {
    case AccessKind::kReadGlobal:
        count_global(addresses, count, bytes, traffic.global_read_bytes);
        break;
    case AccessKind::kWriteGlobal:
        count_global(addresses, count, bytes, traffic.global_write_bytes);
        break;
    default:
        count_shared(addresses, count, bytes, lanes, traffic);
        break;
    }
}

bool same_course(const Warp& warp, unsigned lanes) {
    const std::vector<Access>& first = warp.thread(__builtin_ctz(lanes)).accesses;
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
        const std::vector<Access>& other = warp.thread(__builtin_ctz(rest)).accesses;
        if (other.size() != first.size())
            return false;
        for (size_t i = 0; i < first.size(); i++) {
            if (other[i].place != first[i].place || other[i].kind != first[i].kind)
                return false;
        }
    }
    return true;
}

/// Lanes went different ways: an access belongs with those at the same place for the same time.
void count_diverged(const Warp& warp, unsigned lanes, Traffic& traffic) {
    struct Entry {
        const void* place;
        unsigned kind, occurrence, lane;
        const Access* access;
    };
    std::vector<Entry> entries;
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
        const std::vector<Access>& accesses = warp.thread(__builtin_ctz(rest)).accesses;
        size_t begin = entries.size();
        for (const Access& access : accesses)
            entries.push_back({access.place, static_cast<unsigned>(access.kind), 0, static_cast<unsigned>(__builtin_ctz(rest)), &access});
        std::stable_sort(entries.begin() + begin, entries.end(),
            [](const Entry& a, const Entry& b) { return a.place != b.place ? a.place < b.place : a.kind < b.kind; });
        for (size_t i = begin + 1; i < entries.size(); i++) {
            if (entries[i].place == entries[i - 1].place && entries[i].kind == entries[i - 1].kind)
                entries[i].occurrence = entries[i - 1].occurrence + 1;
        }
    }
    auto key = [](const Entry& entry) { return std::tuple(entry.place, entry.kind, entry.occurrence); };
    // Stable: the lanes of a group stay in their order.
    std::stable_sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
    const Access* group[kWarpSize];
    for (size_t begin = 0; begin < entries.size();) {
        unsigned count = 0, together = 0;
        while (begin + count < entries.size() && key(entries[begin + count]) == key(entries[begin])) {
            group[count] = entries[begin + count].access;
            together |= 1u << entries[begin + count].lane;
            count++;
        }
        count_group(group, count, together, traffic);
        begin += count;
    }
}
} // namespace

void count_shared(const uintptr_t* addresses, unsigned count, unsigned bytes, unsigned lanes, Traffic& traffic) {
    // Wide accesses go in parts of neighbouring lanes that can be served at once: 16 bytes by 8 lanes, 8 bytes by 16.
    unsigned lanes_at_once = bytes <= kBankBytes ? kWarpSize : kBytesPerPass / bytes;
    unsigned part_mask = lanes_at_once == kWarpSize ? kAllLanes : (1u << lanes_at_once) - 1;
    for (unsigned begin = 0; begin < count; lanes = lanes_at_once == kWarpSize ? 0 : lanes >> lanes_at_once) {
        unsigned part = __builtin_popcount(lanes & part_mask);
        if (part == 0)
            continue;
        unsigned needed = passes(addresses + begin, part, bytes);
        traffic.shared_accesses += needed;
        traffic.bank_conflicts += needed - 1;
        begin += part;
    }
}

void count_accesses(Warp& warp, Traffic& traffic) {
    unsigned lanes = 0;
    for (unsigned lane = 0; lane < kWarpSize; lane++) {
        if (!warp.thread(lane).accesses.empty())
            lanes |= 1u << lane;
    }
    if (!lanes)
        return;
    if (same_course(warp, lanes)) {
        const Access* group[kWarpSize];
        size_t length = warp.thread(__builtin_ctz(lanes)).accesses.size();
        for (size_t i = 0; i < length; i++) {
            unsigned count = 0;
            for (unsigned rest = lanes; rest; rest &= rest - 1)
                group[count++] = &warp.thread(__builtin_ctz(rest)).accesses[i];
            count_group(group, count, lanes, traffic);
        }
    } else {
        count_diverged(warp, lanes, traffic);
    }
    for (unsigned rest = lanes; rest; rest &= rest - 1)
        warp.thread(__builtin_ctz(rest)).accesses.clear();
}

} // namespace emulator
