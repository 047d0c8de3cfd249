// Launches: the limits that a device sets are checked when a kernel is enqueued, as the driver does; faults show when it runs.
#include <algorithm>
#include <cstring>

#include "driver.h"

namespace emulator {

namespace {
thread_local Traffic traffic_total;
thread_local uint64_t launch_total = 0;

void add(Traffic& total, const Traffic& part) {
    total.global_read_bytes += part.global_read_bytes;
    total.global_write_bytes += part.global_write_bytes;
    total.shared_accesses += part.shared_accesses;
    total.bank_conflicts += part.bank_conflicts;
    total.tensor_flops += part.tensor_flops;
}

/// The functions of modules that live; others may be anything.
bool is_function(const Function* function) {
    for (const Module* module : driver().modules)
        for (const auto& each : module->functions)
            if (each.get() == function)
                return true;
    return false;
}

/// The memory that a launch may use is what its arguments point at.
void find_uses(Work& work) {
    for (size_t offset = 0; offset + sizeof(uintptr_t) <= work.args.size(); offset += sizeof(uintptr_t)) {
        uintptr_t word;
        std::memcpy(&word, &work.args[offset], sizeof word);
        DeviceMemory::Allocation allocation;
        if (DeviceMemory::find(reinterpret_cast<const void*>(word), allocation))
            work.uses.push_back(allocation.start);
    }
}
} // namespace

int make_launch(Work& work, Device& device, Function* function, const uint3& grid, const uint3& block, unsigned shared_bytes,
    void** arguments) {
    std::lock_guard lock(driver().mutex);
    if (!is_function(function))
        return refuse(CUDA_ERROR_INVALID_HANDLE, "a function is launched that does not exist (any more)");
    std::string kernel = "kernel " + function->name + ": ";
    if (function->module->device != &device)
        return refuse(CUDA_ERROR_INVALID_HANDLE, kernel + "it was loaded for another device");
    uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0 || grid.x > 0x7FFFFFFF || grid.y > 65535 || grid.z > 65535
        || block.x > 1024
        || block.y > 1024 || block.z > 64 || threads > 1024)
        return refuse(CUDA_ERROR_INVALID_VALUE, kernel + "the grid or the block is outside of the device's limits");
    if (static_cast<uint64_t>(grid.x) * grid.y * grid.z >= (1 << 20) - 1)
        return refuse(CUDA_ERROR_NOT_SUPPORTED, kernel + "the emulator counts fewer than a million blocks");
    if (threads > function->info.max_threads)
        return refuse(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, kernel + "the block has more threads than its launch bounds allow");
    if (threads % 32 != 0)
        return refuse(CUDA_ERROR_INVALID_VALUE, kernel + "a block of the kernels here is whole warps");
    if (shared_bytes > static_cast<unsigned>(function->max_dynamic_shared))
        return refuse(CUDA_ERROR_INVALID_VALUE, kernel + "more dynamic shared memory than the function's attribute allows");
    work.name = function->name.c_str();
    work.function = function;
    work.grid = grid;
    work.block = block;
    work.shared_bytes = shared_bytes;
    // The driver copies the arguments when the launch is enqueued.
    auto bytes = static_cast<const unsigned char*>(arguments[0]);
    work.args.assign(bytes, bytes + function->info.args_bytes);
    find_uses(work);
    return CUDA_SUCCESS;
}

int set_attributes(Work& work, const Device& device, const CUlaunchConfig& config) {
    for (unsigned i = 0; i < config.attributeCount; i++) {
        const CUlaunchAttribute& attribute = config.attributes[i];
        if (attribute.id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION) {
            work.programmatic = attribute.programmatic != 0;
            continue;
        }
        if (attribute.id != CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
            return refuse(CUDA_ERROR_INVALID_VALUE, "a launch has an attribute that is not known: " + std::to_string(attribute.id));
        const auto& cluster = attribute.cluster;
        uint64_t blocks = static_cast<uint64_t>(cluster.x) * cluster.y * cluster.z;
        if (blocks > 8 && blocks <= 16 && work.function && !work.function->allows_large_clusters)
            return refuse(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                "a launch asks for clusters of more than 8 blocks, which the function's attribute does not allow");
        if (device.properties.major < 9 || blocks == 0 || blocks > 16 || config.gridX % cluster.x || config.gridY % cluster.y
            || config.gridZ % cluster.z)
            return refuse(CUDA_ERROR_INVALID_VALUE,
                "a launch asks for clusters that the device does not have, or that do not divide its grid");
        work.cluster = {cluster.x, cluster.y, cluster.z};
    }
    if (work.programmatic && device.properties.major < 9)
        return refuse(CUDA_ERROR_NOT_SUPPORTED, "a launch asks to begin early, which the device cannot do");
    return CUDA_SUCCESS;
}

int run_launch_work(const Work& work, Device& device, LaunchChain& chain) {
    if (DeviceMemory::is_idle())
        return CUDA_SUCCESS;
    const Function& function = *work.function;
    LaunchRequest request;
    request.kernel = function.name;
    request.entry = function.entry;
    request.grid = work.grid;
    request.block = work.block;
    request.cluster = work.cluster;
    request.max_threads = function.info.max_threads;
    request.order = work.programmatic ? chain.next() : LaunchOrder{};
    request.shared_bytes = work.shared_bytes;
    request.shared_address_base = device.properties.major >= 9 ? 0x400 : 0;
    request.image_begin = function.module->image_begin;
    request.image_end = function.module->image_end;
    request.device = device.ordinal;
    request.args = work.args.data();
    request.args_bytes = work.args.size();
    request.seed = next_seed();
    LaunchResult result = run_launch(request);
    add(traffic_total, result.traffic);
    launch_total++;
    chain.follow(request.order, result.number, result.waited_for_dependencies);
    if (result.code)
        remember_error(result.error);
    return result.code;
}

} // namespace emulator

using namespace emulator;

extern "C" {

int cuOccupancyMaxActiveClusters(int* clusters, Function* function, const CUlaunchConfig* config) {
    Device* device;
    if (int error = enter_context("cuOccupancyMaxActiveClusters", device))
        return error;
    if (!clusters || !config || (config->attributeCount && !config->attributes))
        return CUDA_ERROR_INVALID_VALUE;
    Work work{WorkKind::kLaunch};
    std::vector<unsigned char> nothing(function ? function->info.args_bytes : 0);
    void* arguments[] = {nothing.data()};
    int error = make_launch(work, *device, function, {config->gridX, config->gridY, config->gridZ},
        {config->blockX, config->blockY, config->blockZ}, config->sharedBytes, arguments);
    if (!error)
        error = set_attributes(work, *device, *config);
    // One block for each multiprocessor, which belong to groups of four: a cluster of more has all of one group's.
    constexpr unsigned kGroup = 4;
    unsigned blocks = work.cluster.x * work.cluster.y * work.cluster.z, groups = std::max(1u, device->properties.multiprocessors / kGroup);
    *clusters = static_cast<int>(groups * std::max(1u, kGroup / blocks));
    return error;
}

int cuLaunchKernelEx(const CUlaunchConfig* config, Function* function, void** arguments, void** extra) {
    Device* device;
    if (int error = enter_context("cuLaunchKernelEx", device))
        return error;
    if (!config || !arguments || extra || (config->attributeCount && !config->attributes))
        return CUDA_ERROR_INVALID_VALUE;
    Work work{WorkKind::kLaunch};
    int error = make_launch(work, *device, function, {config->gridX, config->gridY, config->gridZ},
        {config->blockX, config->blockY, config->blockZ},
        config->sharedBytes, arguments);
    if (!error)
        error = set_attributes(work, *device, *config);
    return error ? error : enqueue(config->stream, device, std::move(work));
}

/// For tests: what the launches that ran on this host thread have moved since the last call.
void emulatorTakeTraffic(Traffic* total, uint64_t* launches) {
    *total = traffic_total;
    *launches = launch_total;
    traffic_total = {};
    launch_total = 0;
}

} // extern "C"
