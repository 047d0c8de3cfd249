using PixioCuda.Bench;
using PixioCuda.Bench.Hardware;
using PixioCuda.Bench.Pipeline;
using PixioCuda.Weights;

// Without arguments: a short job of every suite and one table. With one of these words:
//   hub                        the rate of downloads beside curl's
//   hosting [DEVICE]           64 callers of EmbedAsync with a picture each, beside batches of 64
//   pipeline decode            decode and preprocess on all cores, without an engine
//   pipeline engine [MODEL [N]]  the pipeline beside the engine alone
//   pipeline preprocess [MODEL [N [ROUNDS]]]  preprocessing on the GPU beside the CPU's, on a CUDA device
//   pipeline memory [N]        peak memory of N small pictures beside that of a tenth of them
//   load [PRESET]              loading beside a plain read, and its memory
//   expected [PRESET [N,N]]    what each launch of a forward pass should take on an H200
//   tiles [PRESET [N,N]]       every configuration of the products on a device of compute capability 9.0, beside what was expected
//   cuda-start MODEL           until a fresh process' CUDA engine is ready (bench/cuda-host.sh)
//   cuda-overhead              what the host takes around a run on CUDA
//   ceilings                   what a CUDA device reaches at best: a copy, and cuBLASLt's product
//   peer --model DIR ...       one model that runs and measures when it is told to on standard input (PeerProcess)
//   copy-runtime APP FROM TO   the .NET runtime in FROM, without what the programs in a folder cannot reach
// With other arguments: BenchmarkDotNet's own command line (--filter '*Gemm*', --list flat, ...), with the same columns.
switch (args)
{
    case ["hub"]:
        return HubRate.Run(1_000_000_000);
    case ["hosting"] or ["hosting", _]:
        return await HostingRate.RunAsync(args.Length > 1 ? args[1] : "cpu");
    case ["expected", ..]:
        return ExpectedTimes.Print(args.Length > 1 ? args[1] : "vith16", args.Length > 2 ? [.. args[2].Split(',').Select(int.Parse)] : [1, 8, 64]);
    case ["pipeline", "decode"]:
        return PipelineRate.Decode();
    case ["pipeline", "engine", ..]:
        return PipelineRate.Engine(args.Length > 2 ? args[2] : "random:vitb16", args.Length > 3 ? int.Parse(args[3]) : 40);
    case ["pipeline", "preprocess", ..]:
        return PipelineRate.Preprocess(
            args.Length > 2 ? args[2] : "random:vith16", args.Length > 3 ? int.Parse(args[3]) : 1200,
            args.Length > 4 ? int.Parse(args[4]) : 3);
    case ["pipeline", "memory", ..]:
        return PipelineMemory.Run(args.Length > 2 ? int.Parse(args[2]) : 100_000);
    case ["load", ..]:
        return LoadRate.Run(args.Length > 1 ? args[1] : "vith16");
    case [LoadRate.OnceMode, string once, string order]:
        return LoadRate.PrintTimes(once, loadFirst: order == "load-first");
    case [LoadRate.MemoryMode, string folder, string type]:
        return LoadRate.PrintMemory(folder, Enum.Parse<DType>(type));
    case ["tiles", ..]:
        return TileTimes.Run(
            args.Length > 1 ? args[1] : "vith16", args.Length > 2 ? [.. args[2].Split(',').Select(int.Parse)] : [1, 8, 64]);
    case ["cuda-start", string started]:
        return CudaHostTimes.Start(started);
    case ["cuda-overhead"]:
        return CudaHostTimes.Overhead();
    case ["ceilings"]:
        return DeviceCeilings.Run();
    case ["peer", .. string[] rest]:
        return PeerProcess.Run(rest, Console.In, Console.Out, Console.Error);
    case ["copy-runtime", string programs, string runtime, string target]:
        return RuntimeClosure.Copy(programs, runtime, target);
}

return SuiteRunner.Run(args);
