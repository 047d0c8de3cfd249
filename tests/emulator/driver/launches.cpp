// Launches: the limits that a device sets are checked when a kernel is enqueued, as the driver does; faults show when it runs.
#include <cstring>

#include "driver.h"

using namespace emulator;

namespace {
thread_local Traffic traffic_total;
thread_local uint64_t launch_total = 0;

int refuse(int code, const std::string& why) {
    remember_error(why);
    return code;
}

void add(Traffic& total, const Traffic& part) {
    total.global_read_bytes += part.global_read_bytes;
    total.global_write_bytes += part.global_write_bytes;
    total.shared_accesses += part.shared_accesses;
    total.bank_conflicts += part.bank_conflicts;
    total.tensor_flops += part.tensor_flops;
}
} // namespace

extern "C" {

int cuLaunchKernelEx(const CUlaunchConfig* config, Function* function, void** arguments, void** extra) {
    Device* device;
    if (int error = enter_context("cuLaunchKernelEx", device))
        return error;
    if (!config || !function || !arguments || extra)
        return CUDA_ERROR_INVALID_VALUE;
    uint64_t threads = static_cast<uint64_t>(config->blockX) * config->blockY * config->blockZ;
    if (config->gridX == 0 || config->gridY == 0 || config->gridZ == 0 || threads == 0 || config->gridX > 0x7FFFFFFF || config->gridY > 65535
        || config->gridZ > 65535 || config->blockX > 1024 || config->blockY > 1024 || config->blockZ > 64 || threads > 1024)
        return refuse(CUDA_ERROR_INVALID_VALUE, "kernel " + function->name + ": the grid or the block is outside of the device's limits");
    if (static_cast<uint64_t>(config->gridX) * config->gridY * config->gridZ >= (1 << 20) - 1)
        return refuse(CUDA_ERROR_NOT_SUPPORTED, "kernel " + function->name + ": the emulator counts fewer than a million blocks");
    if (threads > function->info.max_threads)
        return refuse(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "kernel " + function->name + ": the block has more threads than its launch bounds allow");
    if (threads % 32 != 0)
        return refuse(CUDA_ERROR_INVALID_VALUE, "kernel " + function->name + ": a block of the kernels here is whole warps");
    if (config->sharedBytes > static_cast<unsigned>(function->max_dynamic_shared))
        return refuse(CUDA_ERROR_INVALID_VALUE, "kernel " + function->name + ": more dynamic shared memory than the function's attribute allows");

    LaunchRequest request;
    request.kernel = function->name;
    request.entry = function->entry;
    request.grid = {config->gridX, config->gridY, config->gridZ};
    request.block = {config->blockX, config->blockY, config->blockZ};
    request.shared_bytes = config->sharedBytes;
    request.shared_address_base = device->properties.major >= 9 ? 0x400 : 0;
    request.image_begin = function->module->image_begin;
    request.image_end = function->module->image_end;
    request.device = device->ordinal;
    request.args_bytes = function->info.args_bytes;
    auto bytes = static_cast<const unsigned char*>(arguments[0]);
    // The driver copies the arguments when the launch is enqueued.
    return enqueue(config->stream, {function->name, [request, args = std::vector<unsigned char>(bytes, bytes + request.args_bytes)]() mutable {
        request.args = args.data();
        request.seed = next_seed();
        LaunchResult result = run_launch(request);
        add(traffic_total, result.traffic);
        launch_total++;
        if (result.code)
            remember_error(result.error);
        return result.code;
    }});
}

/// For tests: what the launches that ran on this host thread have moved since the last call.
void emulatorTakeTraffic(Traffic* total, uint64_t* launches) {
    *total = traffic_total;
    *launches = launch_total;
    traffic_total = {};
    launch_total = 0;
}

} // extern "C"
