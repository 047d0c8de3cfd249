// Modules: what the emulated NVRTC calls a CUBIN is a shared object, which is loaded from memory.
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "driver.h"

using namespace emulator;

namespace {
/// A shared object says in its section headers where it ends.
size_t image_bytes(const unsigned char* image) {
    ElfW(Ehdr) header;
    std::memcpy(&header, image, sizeof header);
    return header.e_shoff + static_cast<size_t>(header.e_shentsize) * header.e_shnum;
}

/// A name for an open file that no file had before: the loader takes a name that it knows for the library that it has loaded, but numbers
/// of files are used again. Empty parts of a path mean nothing to the system.
std::string unique_path(int file) {
    static std::atomic<unsigned> count = 0;
    std::string path = "/proc/self";
    for (unsigned rest = ++count; rest; rest /= 2)
        path += rest % 2 ? "//" : "/.";
    return path + "/fd/" + std::to_string(file);
}

/// The kernels' undefined symbols are this library's functions, which the loader finds once it is global.
void make_global() {
    static bool done = [] {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&make_global), &info);
        return dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) != nullptr;
    }();
    (void)done;
}

void find_image(Module& module) {
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* argument) {
            auto& target = *static_cast<Module*>(argument);
            link_map* map = nullptr;
            dlinfo(target.library, RTLD_DI_LINKMAP, &map);
            if (info->dlpi_addr != map->l_addr)
                return 0;
            target.image_begin = info->dlpi_addr;
            for (int i = 0; i < info->dlpi_phnum; i++) {
                if (info->dlpi_phdr[i].p_type == PT_LOAD)
                    target.image_end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
            }
            return 1;
        },
        &module);
}
} // namespace

extern "C" {

int cuModuleLoadDataEx(Module** result, const void* image, unsigned, int*, void**) {
    Device* device;
    if (int error = enter_unsafe("cuModuleLoadDataEx", device))
        return error;
    auto bytes = static_cast<const unsigned char*>(image);
    if (!bytes || std::memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return CUDA_ERROR_INVALID_IMAGE;
    make_global();
    size_t size = image_bytes(bytes);
    int file = memfd_create("kernel", MFD_CLOEXEC);
    if (file < 0 || write(file, bytes, size) != static_cast<ssize_t>(size)) {
        if (file >= 0)
            close(file);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    void* library = dlopen(unique_path(file).c_str(), RTLD_NOW | RTLD_LOCAL);
    close(file);
    if (!library) {
        remember_error(dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    auto architecture = static_cast<const unsigned*>(dlsym(library, "emulated_architecture"));
    unsigned wanted = device->properties.major * 10 + device->properties.minor;
    // As with CUBINs: of the same major version, and not newer than the device.
    if (!architecture || *architecture / 10 != wanted / 10 || *architecture > wanted) {
        remember_error("the image was compiled for sm_" + std::to_string(architecture ? *architecture : 0) + ", and the device is sm_" + std::to_string(wanted));
        dlclose(library);
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    auto module = std::make_unique<Module>();
    module->device = device;
    module->library = library;
    find_image(*module);
    std::lock_guard lock(driver().mutex);
    driver().modules.push_back(module.get());
    *result = module.release();
    return CUDA_SUCCESS;
}

int cuModuleUnload(Module* module) {
    int fault = enter_release("cuModuleUnload");
    {
        std::lock_guard lock(driver().mutex);
        if (!is_live(driver().modules, module))
            return refuse(CUDA_ERROR_INVALID_HANDLE, "a module is unloaded that does not exist (any more)");
    }
    if (int error = invalidate_captures("cuModuleUnload"))
        return error;
    settle_uses(*module);
    std::lock_guard lock(driver().mutex);
    forget(driver().modules, module);
    dlclose(module->library);
    delete module;
    return fault;
}

int cuModuleGetFunction(Function** result, Module* module, const char* name) {
    Device* device;
    if (int error = enter_context("cuModuleGetFunction", device))
        return error;
    std::lock_guard lock(driver().mutex);
    if (int error = check_handle(driver().modules, module, device, "a module"))
        return error;
    void* entry = dlsym(module->library, name);
    void* info = dlsym(module->library, (std::string(name) + "_info").c_str());
    if (!entry || !info)
        return CUDA_ERROR_NOT_FOUND;
    auto function = std::make_unique<Function>();
    function->module = module;
    function->name = name;
    function->entry = reinterpret_cast<void (*)(const void*)>(entry);
    std::memcpy(&function->info, info, sizeof function->info);
    *result = function.get();
    module->functions.push_back(std::move(function));
    return CUDA_SUCCESS;
}

int cuFuncSetAttribute(Function* function, int attribute, int value) {
    Device* device;
    if (int error = enter_context("cuFuncSetAttribute", device))
        return error;
    if (attribute == 8) {    // MAX_DYNAMIC_SHARED_SIZE_BYTES
        if (value < 0 || value > static_cast<int>(device->properties.shared_per_block_optin))
            return CUDA_ERROR_INVALID_VALUE;
        function->max_dynamic_shared = value;
        return CUDA_SUCCESS;
    }
    if (attribute == 14) {    // NON_PORTABLE_CLUSTER_SIZE_ALLOWED
        function->allows_large_clusters = value != 0;
        return CUDA_SUCCESS;
    }
    return attribute == 9 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;    // carve-out
}

int cuFuncGetAttribute(int* value, int attribute, Function* function) {
    Device* device;
    if (int error = enter_context("cuFuncGetAttribute", device))
        return error;
    switch (attribute) {
    case 0: *value = static_cast<int>(function->info.max_threads); break;    // MAX_THREADS_PER_BLOCK
    case 1: *value = 0; break;                                               // SHARED_SIZE_BYTES: the kernels have no static shared memory
    case 3: *value = 0; break;                                               // LOCAL_SIZE_BYTES
    case 4: *value = 0; break;                                               // NUM_REGS: unknown to g++
    case 8: *value = function->max_dynamic_shared; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

} // extern "C"
