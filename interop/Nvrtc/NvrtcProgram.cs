using System.Runtime.InteropServices;
using System.Text;

namespace PixioCuda.Interop;

/// <summary>A program of NVRTC: one source and what it includes (nvrtcProgram). For one thread at a time.</summary>
internal sealed unsafe class NvrtcProgram : SafeHandle
{
    /// <summary>None yet; <see cref="Create"/> makes one.</summary>
    internal NvrtcProgram()
        : base(0, ownsHandle: true)
    {
    }

    private delegate NvrtcResult SizeOf(nint program, out nuint byteCount);

    private delegate NvrtcResult Read(nint program, byte* destination);

    public override bool IsInvalid => handle == 0;

    /// <summary>Hands NVRTC a source.</summary>
    /// <exception cref="CudaLibraryException">NVRTC does not take it.</exception>
    public static NvrtcProgram Create(KernelSource source)
    {
        IReadOnlyList<KernelInclude> includes = KernelIncludes.Reachable(source);
        using var texts = new Utf8Array([source.Text, source.Name]);
        using var headers = new Utf8Array([.. includes.Select(include => include.Text)]);
        using var names = new Utf8Array([.. includes.Select(include => include.Name)]);
        var program = new NvrtcProgram();
        NvrtcResult result = NvrtcApi.nvrtcCreateProgram(
            out nint value, texts.Items[0], texts.Items[1], includes.Count, headers.Items, names.Items);
        if (result != NvrtcResult.NVRTC_SUCCESS)
        {
            program.Dispose();
            throw Failure($"NVRTC takes no source for the kernel {source.Title}", result);
        }

        program.SetHandle(value);
        return program;
    }

    /// <summary>A failure of NVRTC's own, which no source is to blame for.</summary>
    public static CudaLibraryException Failure(string what, NvrtcResult result)
    {
        string summary = $"{what}: {Describe(result)}";
        return new CudaLibraryException(CudaLibraryKind.Nvrtc, $"{summary}.") { Summary = summary };
    }

    /// <summary>A result in words.</summary>
    public static string Describe(NvrtcResult result)
        => Marshal.PtrToStringUTF8((nint)NvrtcApi.nvrtcGetErrorString(result)) ?? $"error {(int)result}";

    public NvrtcResult Compile(IReadOnlyList<string> options)
    {
        using var texts = new Utf8Array(options);
        return NvrtcApi.nvrtcCompileProgram(handle, options.Count, texts.Items);
    }

    /// <summary>What the compiler said.</summary>
    public string Log() => Text(Fetch(NvrtcApi.nvrtcGetProgramLogSize, NvrtcApi.nvrtcGetProgramLog, "log"));

    /// <summary>The machine code.</summary>
    public byte[] Cubin() => Fetch(NvrtcApi.nvrtcGetCUBINSize, NvrtcApi.nvrtcGetCUBIN, "CUBIN");

    /// <summary>The PTX.</summary>
    public string Ptx() => Text(Fetch(NvrtcApi.nvrtcGetPTXSize, NvrtcApi.nvrtcGetPTX, "PTX"));

    protected override bool ReleaseHandle() => NvrtcApi.nvrtcDestroyProgram(ref handle) == NvrtcResult.NVRTC_SUCCESS;

    // Texts come with their terminating zero.
    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes.AsSpan().TrimEnd((byte)0));

    private byte[] Fetch(SizeOf sizeOf, Read read, string what)
    {
        NvrtcResult result = sizeOf(handle, out nuint byteCount);
        byte[] bytes = result == NvrtcResult.NVRTC_SUCCESS ? new byte[checked((int)byteCount)] : [];
        fixed (byte* destination = bytes)
        {
            if (result == NvrtcResult.NVRTC_SUCCESS && bytes.Length > 0)
                result = read(handle, destination);
        }

        return result == NvrtcResult.NVRTC_SUCCESS ? bytes : throw Failure($"NVRTC hands out no {what}", result);
    }
}
