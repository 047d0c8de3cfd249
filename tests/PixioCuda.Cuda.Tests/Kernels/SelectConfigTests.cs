using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What is chosen for every kernel of every encoder, for thousands of shapes: valid, and within what each device has.</summary>
public sealed class SelectConfigTests
{
    private static readonly EncoderDimensions[] Models =
    [
        .. EncoderDimensions.Presets,
        new("tiny", 64, 4, 256, 3, 16, 16, 8, QkvBias: true, 64, 64),
        new("odd", 36, 3, 72, 1, 8, 8, 1, QkvBias: false, 40, 40),
        new("odd head", 100, 5, 333, 4, 14, 7, 3, QkvBias: true, 56, 56),
    ];

    private static readonly DeviceLimits[] Devices = [DeviceLimits.A100, DeviceLimits.Rtx4090, DeviceLimits.H200];

    [Fact]
    public void Every_choice_is_within_the_limits_of_its_device()
    {
        int checkedConfigs = 0;
        foreach (EncoderDimensions model in Models)
        {
            foreach (Precision precision in Enum.GetValues<Precision>())
            {
                foreach (int batch in new[] { 1, 2, 3, 5, 8, 16, 31, 64, 128 })
                {
                    foreach ((int rows, int columns) in new[] { (1, 1), (2, 3), (16, 16), (17, 9), (32, 32), (64, 64) })
                    {
                        foreach (DeviceLimits device in Devices)
                        {
                            foreach (IKernelConfig config in KernelCatalog.ForModel(
                                model, precision, batch, rows * model.PatchHeight, columns * model.PatchWidth, device))
                            {
                                Check(config, device, $"{model.Name}, {precision}, batch {batch}, {rows} x {columns} patches: {config}");
                                checkedConfigs++;
                            }
                        }
                    }
                }
            }
        }

        Assert.True(checkedConfigs > 50_000, $"only {checkedConfigs} were checked");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(13)]
    [InlineData(768)]
    [InlineData(1280)]
    [InlineData(LayerNormConfig.MaxColumns)]
    public void LayerNorm_sums_in_an_order_that_no_number_of_rows_changes(int columns)
    {
        LayerNormShape one = new(1, 1, 0, 1, columns, ElementType.F32, ElementType.BF16), many = one with { Batch = 64, Tokens = 264, TokenCount = 264 };
        Assert.Equal(LayerNormKernel.SelectConfig(one), LayerNormKernel.SelectConfig(many));
    }

    [Fact]
    public void Wider_rows_than_registers_hold_are_refused()
        => Assert.Throws<NotSupportedException>(() => LayerNormKernel.SelectConfig(
            new LayerNormShape(1, 1, 0, 1, LayerNormConfig.MaxColumns + 1, ElementType.F32, ElementType.F32)));

    private static void Check(IKernelConfig config, DeviceLimits device, string what)
    {
        Assert.True(config.Threads is >= 32 and <= 1024 && config.Threads % 32 == 0, $"{what} has {config.Threads} threads");
        Assert.True(config.SharedBytes >= 0 && config.SharedBytes <= device.SharedBytesPerBlock, $"{what} takes {config.SharedBytes} bytes of shared memory");
        Assert.True(config.RegisterBudget is >= 16 and <= 255, $"{what} budgets {config.RegisterBudget} registers");
        Assert.True(config.RegisterBudget * config.Threads <= 65536, $"{what} budgets more registers than a multiprocessor has");
        Assert.True(config.Source.ArgsByteCount is > 0 and <= 4096, $"{what} takes {config.Source.ArgsByteCount} bytes of arguments");
    }
}
