// The emulated NVRTC: compiles the very source text that the real one gets, with g++, into a shared object that the emulated driver runs.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern char** environ;

namespace fs = std::filesystem;

namespace {
enum Result { kSuccess = 0, kOutOfMemory = 1, kInvalidInput = 3, kInvalidProgram = 4, kInvalidOption = 5, kCompilation = 6, kInternal = 11 };

/// The folder of this library, where the emulator's headers lie beside it and compiled kernels are kept.
fs::path home() {
    Dl_info info;
    dladdr(reinterpret_cast<void*>(&home), &info);
    return fs::path(info.dli_fname).parent_path();
}

uint64_t hash(uint64_t seed, const std::string& text) {
    for (unsigned char byte : text)
        seed = (seed ^ byte) * 0x100000001B3u;
    return (seed ^ 0xFF) * 0x100000001B3u;    // so that two texts are not the same as their concatenation
}

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

int run(const std::vector<std::string>& command, const fs::path& output) {
    std::vector<char*> arguments;
    for (const std::string& argument : command)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t child;
    int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (error || waitpid(child, &status, 0) < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
} // namespace

namespace {
/// The emulated driver beside this library counts the call, and may make it fail; where it is not loaded, nobody asks for that.
int begin(const char* function) {
    static auto enter = [] {
        void* driver = dlopen((home() / "libcuda.so.1").c_str(), RTLD_NOW | RTLD_NOLOAD);
        return reinterpret_cast<int (*)(const char*)>(driver ? dlsym(driver, "emulatorEnter") : nullptr);
    }();
    int error = enter ? enter(function) : 0;
    return error == 0 ? kSuccess : error == 2 ? kOutOfMemory : kInternal;
}
} // namespace

struct Program {
    std::string source, name, log, image;
    std::vector<std::pair<std::string, std::string>> headers;    // name, text
};

extern "C" {

int nvrtcVersion(int* major, int* minor) {
    *major = 12, *minor = 4;
    return kSuccess;
}

const char* nvrtcGetErrorString(int result) {
    switch (result) {
    case kSuccess: return "NVRTC_SUCCESS";
    case kOutOfMemory: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case kInvalidInput: return "NVRTC_ERROR_INVALID_INPUT";
    case kInvalidProgram: return "NVRTC_ERROR_INVALID_PROGRAM";
    case kInvalidOption: return "NVRTC_ERROR_INVALID_OPTION";
    case kCompilation: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR_INTERNAL_ERROR";
    }
}

int nvrtcGetNumSupportedArchs(int* count) {
    *count = 3;
    return kSuccess;
}

int nvrtcGetSupportedArchs(int* architectures) {
    architectures[0] = 80, architectures[1] = 89, architectures[2] = 90;
    return kSuccess;
}

int nvrtcCreateProgram(Program** program, const char* source, const char* name, int count, const char* const* headers, const char* const* names) {
    if (int error = begin("nvrtcCreateProgram"))
        return error;
    if (!program || !source || count < 0)
        return kInvalidInput;
    auto created = new Program{source, name ? name : "kernel.cu", {}, {}, {}};
    for (int i = 0; i < count; i++)
        created->headers.emplace_back(names[i], headers[i]);
    *program = created;
    return kSuccess;
}

int nvrtcDestroyProgram(Program** program) {
    int fault = begin("nvrtcDestroyProgram");
    delete *program;
    *program = nullptr;
    return fault;
}

int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
    if (int error = begin("nvrtcCompileProgram"))
        return error;
    std::string architecture = "80";
    std::vector<std::string> command = {"g++", "-std=c++20", "-O2", "-march=native", "-fPIC", "-shared", "-fsanitize=thread",
        "--param=tsan-instrument-func-entry-exit=0", "-fno-exceptions", "-fno-rtti", "-fno-strict-aliasing", "-ffp-contract=fast", "-w",
        "-fvisibility=hidden", "-DPIXIO_EMULATED=1"};
    for (int i = 0; i < count; i++) {
        std::string option = options[i], arch_option = "--gpu-architecture=sm_";
        if (option.rfind(arch_option, 0) == 0)
            architecture = option.substr(arch_option.size());
        else if (option.rfind("-D", 0) == 0)
            command.push_back(option);
        else if (option.rfind("--std=", 0) != 0 && option != "-default-device" && option != "--no-source-include" && option != "--minimal" && option.rfind("--ptxas-options", 0) != 0)
            return program->log = "the emulated NVRTC does not know the option " + option, kInvalidOption;
    }
    std::string number = architecture.substr(0, architecture.find_first_not_of("0123456789"));
    command.push_back("-D__CUDA_ARCH__=" + number + "0");
    command.push_back("-DPIXIO_EMULATED_ARCHITECTURE=" + number);
    if (architecture == number + "a")
        command.push_back("-D__CUDA_ARCH_FEAT_SM" + number + "_ALL=1");

    uint64_t key = hash(0xCBF29CE484222325u, program->source);
    for (auto& [name, text] : program->headers)
        key = hash(hash(key, name), text);
    for (const std::string& part : command)
        key = hash(key, part);
    std::string emulator_header = read(home() / "emulator.h");
    key = hash(key, emulator_header);
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(key));

    fs::path kept = home() / "kernels" / (std::string(digits) + ".so");
    program->image = read(kept);
    if (!program->image.empty())
        return kSuccess;

    char folder_name[] = "/tmp/emulated-nvrtc-XXXXXX";
    if (!mkdtemp(folder_name))
        return kInternal;
    fs::path folder = folder_name;
    for (auto& [name, text] : program->headers)
        write(folder / name, text);
    write(folder / "emulator.h", emulator_header);
    write(folder / program->name, program->source);
    command.insert(command.end(), {"-x", "c++", "-I", folder.string(), (folder / program->name).string(), "-o", (folder / "kernel.so").string()});
    // The hooks that -fsanitize=thread asks for are the emulated driver's, not those of g++'s own runtime.
    command.insert(command.end(), {"-nostdlib", "-fno-sanitize-link-runtime"});
    command.pop_back();
    int status = run(command, folder / "log");
    program->log = read(folder / "log");
    std::error_code ignored;
    if (status == 0) {
        program->image = read(folder / "kernel.so");
        fs::create_directories(kept.parent_path(), ignored);
        fs::path partial = kept;
        partial += "." + std::to_string(getpid()) + std::string(folder_name).substr(sizeof "/tmp/emulated-nvrtc" - 1);
        write(partial, program->image);
        fs::rename(partial, kept, ignored);
    }
    fs::remove_all(folder, ignored);
    return status == 0 ? kSuccess : status < 0 ? kInternal : kCompilation;
}

int nvrtcGetProgramLogSize(Program* program, size_t* bytes) {
    if (int error = begin("nvrtcGetProgramLogSize"))
        return error;
    *bytes = program->log.size() + 1;
    return kSuccess;
}

int nvrtcGetProgramLog(Program* program, char* log) {
    if (int error = begin("nvrtcGetProgramLog"))
        return error;
    std::memcpy(log, program->log.c_str(), program->log.size() + 1);
    return kSuccess;
}

int nvrtcGetCUBINSize(Program* program, size_t* bytes) {
    if (int error = begin("nvrtcGetCUBINSize"))
        return error;
    *bytes = program->image.size();
    return program->image.empty() ? kInvalidProgram : kSuccess;
}

int nvrtcGetCUBIN(Program* program, char* image) {
    if (int error = begin("nvrtcGetCUBIN"))
        return error;
    std::memcpy(image, program->image.data(), program->image.size());
    return kSuccess;
}

} // extern "C"
