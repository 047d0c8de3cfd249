using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>Every kernel in every configuration that a preset or a reference model uses, through NVIDIA's compiler.</summary>
public sealed class KernelCatalogTests
{
    [Theory]
    [InlineData("sm_80")]
    [InlineData("sm_89")]
    [InlineData("sm_90a")]
    public void Every_configuration_compiles_within_its_budget(string name)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        (GpuArchitecture architecture, DeviceLimits device) = TargetOf(name);
        IKernelConfig[] configs = [.. KernelCatalog.ForPresets(device), .. KernelCatalog.ForModels(ReferenceModels.All, device)];
        configs = [.. configs.DistinctBy(config => config.Source.Title)];
        CompiledKernel[] compiled = compiler.CompileAll([.. configs.Select(config => config.Source)], architecture, Environment.ProcessorCount);
        List<string> faults = [];
        for (int i = 0; i < configs.Length; i++)
            faults.AddRange(Faults(configs[i], compiled[i], device).Select(fault => $"{configs[i].Source.Title}: {fault}"));
        Assert.True(faults.Count == 0, $"{faults.Count} faults in {configs.Length} kernels for {name}:\n{string.Join('\n', faults)}");
    }

    [Theory]
    [InlineData("sm_80")]
    [InlineData("sm_90a")]
    public void The_PTX_holds_the_instructions_that_each_kernel_claims(string name)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        (GpuArchitecture architecture, DeviceLimits device) = TargetOf(name);
        // What a configuration claims depends on its entry and numbers; one of each combination is enough.
        IKernelConfig[] configs = [.. KernelCatalog.ForPresets(device)
            .DistinctBy(config => (config.Source.Entry, string.Join(' ', config.RequiredInstructions)))];
        List<string> faults = [];
        Parallel.ForEach(configs, config =>
        {
            Assert.NotEmpty(config.RequiredInstructions);
            string ptx = compiler.CompilePtx(config.Source, architecture).Text;
            foreach (string instruction in config.RequiredInstructions.Where(instruction => !ptx.Contains(instruction, StringComparison.Ordinal)))
            {
                lock (faults)
                    faults.Add($"{config.Source.Title} has no {instruction}");
            }
        });
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    private static IEnumerable<string> Faults(IKernelConfig config, CompiledKernel kernel, DeviceLimits device)
    {
        KernelResources used = kernel.Resources;
        if (used.Registers > config.RegisterBudget)
            yield return $"{used.Registers} registers, {config.RegisterBudget} budgeted";
        if (used.StackBytes != 0)
            yield return $"{used.StackBytes} bytes of stack";
        if (used.SpillStoreBytes != 0 || used.SpillLoadBytes != 0)
            yield return $"{used.SpillStoreBytes} bytes of spills stored, {used.SpillLoadBytes} loaded";
        if (used.StaticSharedBytes != 0)
            yield return $"{used.StaticSharedBytes} bytes of static shared memory; all of it is to be dynamic";
        if (config.SharedBytes > device.SharedBytesPerBlock)
            yield return $"{config.SharedBytes} bytes of shared memory; a block may have {device.SharedBytesPerBlock}";
        if (used.Registers * config.Threads > 65536)
            yield return $"{used.Registers} registers for {config.Threads} threads are more than a multiprocessor has";
        foreach (string advisory in used.Advisories)
            yield return advisory;
    }

    private static (GpuArchitecture Architecture, DeviceLimits Device) TargetOf(string name) => name switch
    {
        "sm_80" => (GpuArchitecture.Sm80, DeviceLimits.A100),
        "sm_89" => (GpuArchitecture.Sm89, DeviceLimits.Rtx4090),
        _ => (GpuArchitecture.Sm90A, DeviceLimits.H200),
    };
}
