// The emulated cuBLASLt: products by a plain loop in float32, run when the stream comes to them.
#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {
enum Status { kSuccess = 0, kNotInitialized = 1, kAllocFailed = 3, kInvalidValue = 7, kExecutionFailed = 13, kInternalError = 14,
    kNotSupported = 15 };
enum Type { kF32 = 0, kF16 = 2, kBf16 = 14 };
constexpr int kCompute32F = 68, kEpilogueDefault = 1, kEpilogueBias = 4;
constexpr int kIllegalAddress = 700;

/// The emulated driver, which lies beside this library and is loaded already.
struct DriverCalls {
    int (*enter)(const char*);
    int (*enqueue)(void*, const char*, int (*)(void*), void*, void (*)(void*), const unsigned long long*, int);
    int (*check_read)(unsigned long long, uint64_t, const char*);
    int (*mark_written)(unsigned long long, uint64_t, const char*);

    DriverCalls() {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&in_this_library), &info);
        std::string path = info.dli_fname;
        void* library = dlopen((path.substr(0, path.rfind('/') + 1) + "libcuda.so.1").c_str(), RTLD_NOW);
        load(library, "emulatorEnter", enter);
        load(library, "emulatorEnqueue", enqueue);
        load(library, "emulatorCheckRead", check_read);
        load(library, "emulatorMarkWritten", mark_written);
    }

    static void in_this_library() {}

    template <typename F>
    static void load(void* library, const char* name, F& function) {
        function = library ? reinterpret_cast<F>(dlsym(library, name)) : nullptr;
        if (!function)
            std::abort();
    }
};

const DriverCalls& driver_calls() {
    static DriverCalls calls;
    return calls;
}

int begin(const char* function) {
    int error = driver_calls().enter(function);
    return error == 0 ? kSuccess : error == 2 ? kAllocFailed : kInternalError;
}

unsigned bytes_of(int type) { return type == kF32 ? 4 : type == kF16 || type == kBf16 ? 2 : 0; }

float load(const void* base, size_t index, int type) {
    if (type == kF32)
        return static_cast<const float*>(base)[index];
    uint16_t bits = static_cast<const uint16_t*>(base)[index];
    if (type == kF16) {
        _Float16 half;
        std::memcpy(&half, &bits, 2);
        return half;
    }
    uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
}

void store(void* base, size_t index, int type, float value) {
    if (type == kF32) {
        static_cast<float*>(base)[index] = value;
        return;
    }
    uint16_t bits;
    if (type == kF16) {
        auto half = static_cast<_Float16>(value);
        std::memcpy(&bits, &half, 2);
    } else {
        uint32_t wide;
        std::memcpy(&wide, &value, 4);
        bits = value != value ? 0x7FFF : static_cast<uint16_t>((wide + 0x7FFF + (wide >> 16 & 1)) >> 16);
    }
    static_cast<uint16_t*>(base)[index] = bits;
}
} // namespace

struct Description {
    int compute, scale, transposed[2] = {0, 0}, epilogue = kEpilogueDefault, bias_type = -1;
    unsigned long long bias = 0;
};

struct Layout {
    int type;
    uint64_t rows, columns;
    int64_t leading;

    /// The bytes from the first element to the last.
    uint64_t bytes() const { return ((columns - 1) * leading + rows) * bytes_of(type); }
};

struct Preference {
    uint64_t workspace = 0;
};

namespace {
struct Product {
    Description description;
    Layout a, b, c, d;
    float alpha, beta;
    unsigned long long a_data, b_data, c_data, d_data;
};

bool is_supported(const Description& description, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
    uint64_t m = description.transposed[0] ? a.columns : a.rows, k = description.transposed[0] ? a.rows : a.columns;
    uint64_t b_k = description.transposed[1] ? b.columns : b.rows, n = description.transposed[1] ? b.rows : b.columns;
    return k == b_k && d.rows == m && d.columns == n && c.rows == m && c.columns == n && a.type == b.type && c.type == d.type
        && bytes_of(a.type)
        && bytes_of(d.type) && (description.epilogue == kEpilogueDefault || description.epilogue == kEpilogueBias);
}

int run(void* argument) {
    const Product& product = *static_cast<Product*>(argument);
    const Description& description = product.description;
    const DriverCalls& calls = driver_calls();
    uint64_t m = product.d.rows, n = product.d.columns, k = description.transposed[0] ? product.a.rows : product.a.columns;
    int bias_type = description.bias_type < 0 ? product.d.type : description.bias_type;
    bool biased = description.epilogue == kEpilogueBias;
    // Columns with gaps between them are checked one by one.
    auto every_column = [](const Layout& layout, unsigned long long data, auto check) {
        for (uint64_t column = 0; column < layout.columns; column++) {
            if (check(data + column * layout.leading * bytes_of(layout.type), layout.rows * bytes_of(layout.type), "cublasLtMatmul"))
                return true;
        }
        return false;
    };
    if (every_column(product.a, product.a_data, calls.check_read) || every_column(product.b, product.b_data, calls.check_read)
        || (product.beta != 0 && every_column(product.c, product.c_data, calls.check_read))
        || (biased && calls.check_read(description.bias, m * bytes_of(bias_type), "cublasLtMatmul")))
        return kIllegalAddress;
    std::vector<float> a(m * k), b(n * k);    // [m][k], [n][k]
    auto a_data = reinterpret_cast<const void*>(product.a_data), b_data = reinterpret_cast<const void*>(product.b_data);
    for (uint64_t row = 0; row < m; row++) {
        for (uint64_t i = 0; i < k; i++)
            a[row * k + i] = load(
                a_data, description.transposed[0] ? row * product.a.leading + i : i * product.a.leading + row, product.a.type);
    }
    for (uint64_t column = 0; column < n; column++) {
        for (uint64_t i = 0; i < k; i++)
            b[column * k + i] = load(
                b_data, description.transposed[1] ? i * product.b.leading + column : column * product.b.leading + i, product.b.type);
    }
    std::vector<float> results(m * n);
    for (uint64_t column = 0; column < n; column++) {
        for (uint64_t row = 0; row < m; row++) {
            float sum = 0;
            for (uint64_t i = 0; i < k; i++)
                sum = std::fma(a[row * k + i], b[column * k + i], sum);    // as the hardware multiplies float32
            sum *= product.alpha;
            if (product.beta != 0)
                sum += product.beta * load(reinterpret_cast<const void*>(product.c_data), column * product.c.leading + row, product.c.type);
            if (biased)
                sum += load(reinterpret_cast<const void*>(description.bias), row, bias_type);
            results[column * m + row] = sum;
        }
    }
    if (every_column(product.d, product.d_data, calls.mark_written))
        return kIllegalAddress;
    for (uint64_t column = 0; column < n; column++) {
        for (uint64_t row = 0; row < m; row++)
            store(reinterpret_cast<void*>(product.d_data), column * product.d.leading + row, product.d.type, results[column * m + row]);
    }
    return 0;
}
} // namespace

extern "C" {

size_t cublasLtGetVersion() { return 120400; }

const char* cublasLtGetStatusString(int status) {
    switch (status) {
    case kSuccess: return "CUBLAS_STATUS_SUCCESS";
    case kNotInitialized: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case kAllocFailed: return "CUBLAS_STATUS_ALLOC_FAILED";
    case kInvalidValue: return "CUBLAS_STATUS_INVALID_VALUE";
    case kExecutionFailed: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case kNotSupported: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_INTERNAL_ERROR";
    }
}

int cublasLtCreate(void** handle) {
    if (int error = begin("cublasLtCreate"))
        return error;
    *handle = new int(0);
    return kSuccess;
}

int cublasLtDestroy(void* handle) {
    int fault = begin("cublasLtDestroy");
    delete static_cast<int*>(handle);
    return fault;
}

int cublasLtMatmulDescCreate(Description** description, int compute, int scale) {
    if (int error = begin("cublasLtMatmulDescCreate"))
        return error;
    if (compute != kCompute32F || scale != kF32)
        return kNotSupported;
    *description = new Description{compute, scale};
    return kSuccess;
}

int cublasLtMatmulDescDestroy(Description* description) {
    int fault = begin("cublasLtMatmulDescDestroy");
    delete description;
    return fault;
}

int cublasLtMatmulDescSetAttribute(Description* description, int attribute, const void* value, size_t bytes) {
    if (int error = begin("cublasLtMatmulDescSetAttribute"))
        return error;
    if (bytes != (attribute == 8 ? 8u : 4u))
        return kInvalidValue;
    switch (attribute) {
    case 3: std::memcpy(&description->transposed[0], value, 4); return kSuccess;
    case 4: std::memcpy(&description->transposed[1], value, 4); return kSuccess;
    case 7: std::memcpy(&description->epilogue, value, 4); return kSuccess;
    case 8: std::memcpy(&description->bias, value, 8); return kSuccess;
    case 26: std::memcpy(&description->bias_type, value, 4); return kSuccess;
    default: return kNotSupported;
    }
}

int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    if (int error = begin("cublasLtMatrixLayoutCreate"))
        return error;
    if (!bytes_of(type) || rows == 0 || columns == 0 || leading < static_cast<int64_t>(rows))
        return kInvalidValue;
    *layout = new Layout{type, rows, columns, leading};
    return kSuccess;
}

int cublasLtMatrixLayoutDestroy(Layout* layout) {
    int fault = begin("cublasLtMatrixLayoutDestroy");
    delete layout;
    return fault;
}

int cublasLtMatmulPreferenceCreate(Preference** preference) {
    if (int error = begin("cublasLtMatmulPreferenceCreate"))
        return error;
    *preference = new Preference;
    return kSuccess;
}

int cublasLtMatmulPreferenceDestroy(Preference* preference) {
    int fault = begin("cublasLtMatmulPreferenceDestroy");
    delete preference;
    return fault;
}

int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value, size_t bytes) {
    if (int error = begin("cublasLtMatmulPreferenceSetAttribute"))
        return error;
    if (attribute != 1 || bytes != 8)
        return kNotSupported;
    std::memcpy(&preference->workspace, value, 8);
    return kSuccess;
}

struct Heuristic {
    uint64_t algorithm[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};

int cublasLtMatmulAlgoGetHeuristic(void* handle, const Description* description, const Layout* a, const Layout* b, const Layout* c,
    const Layout* d, const Preference*, int requested, Heuristic* results, int* returned) {
    if (int error = begin("cublasLtMatmulAlgoGetHeuristic"))
        return error;
    if (!handle || requested < 1)
        return kInvalidValue;
    *returned = 0;
    if (!is_supported(*description, *a, *b, *c, *d))
        return kNotSupported;
    results[0] = {};
    results[0].algorithm[0] = 1;
    results[0].waves = 1;
    *returned = 1;
    return kSuccess;
}

int cublasLtMatmul(void* handle, const Description* description, const float* alpha, unsigned long long a, const Layout* a_layout,
    unsigned long long b, const Layout* b_layout, const float* beta, unsigned long long c, const Layout* c_layout, unsigned long long d,
    const Layout* d_layout, const void*, unsigned long long, size_t, void* stream) {
    if (int error = begin("cublasLtMatmul"))
        return error;
    if (!handle || !is_supported(*description, *a_layout, *b_layout, *c_layout, *d_layout))
        return kInvalidValue;
    auto product = new Product{*description, *a_layout, *b_layout, *c_layout, *d_layout, *alpha, *beta, a, b, c, d};
    const unsigned long long used[] = {a, b, c, d, description->bias};
    int count = description->epilogue == kEpilogueBias ? 5 : 4;
    int error = driver_calls().enqueue(stream, "cublasLtMatmul", run, product,
        [](void* argument) { delete static_cast<Product*>(argument); }, used, count);
    return error ? kExecutionFailed : kSuccess;
}

} // extern "C"
