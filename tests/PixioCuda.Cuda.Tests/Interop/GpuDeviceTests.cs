using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests.Interop;

public sealed class GpuDeviceTests
{
    [Fact]
    public void Devices_are_listed_with_what_kernels_choose_by()
    {
        Emulator.Require();
        IReadOnlyList<GpuDeviceInfo> devices = GpuDevice.List();
        Assert.NotEmpty(devices);
        Assert.Equal(devices.Count, devices.Select(device => device.Uuid).Distinct().Count());
        for (int ordinal = 0; ordinal < devices.Count; ordinal++)
        {
            GpuDeviceInfo device = devices[ordinal];
            Assert.Equal(ordinal, device.Ordinal);
            Assert.Matches("^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", device.Uuid);
            Assert.NotEmpty(device.Name);
            Assert.True(device.ComputeCapability.Major >= 8);
            Assert.True(device.SmCount > 0 && device.L2Bytes > 1 << 20 && device.TotalMemory > 1 << 30);
            Assert.InRange(device.SharedBytesPerBlockOptIn, 99 << 10, 227 << 10);
            Assert.InRange(device.SharedBytesPerSm, device.SharedBytesPerBlockOptIn, 228 << 10);
            Assert.InRange(device.MaxThreadsPerSm, device.MaxThreadsPerBlock, 2048);
            Assert.True(device.ClockKHz > 0 && device.MemoryClockKHz > 0 && device.BusWidthBits > 0);
        }
    }

    [Fact]
    public void The_emulated_H200_is_described_as_the_driver_has_it()
    {
        Emulator.Require();
        if (Emulator.IsHardware)
            Assert.Skip("The numbers are the emulator's.");
        GpuDeviceInfo device = GpuDevice.List()[0];
        Assert.Equal("cuda:0 (Emulated H200)", device.Title);
        Assert.Equal("GPU-e0e1e2e3-e4e5-e6e7-e8e9-eaebecedeeef", device.Uuid);
        Assert.Equal(new ComputeCapability(9, 0), device.ComputeCapability);
        Assert.Equal(
            (4, 60L << 20, 227 << 10, 228 << 10),
            (device.SmCount, device.L2Bytes, device.SharedBytesPerBlockOptIn, device.SharedBytesPerSm));
        Assert.Equal((2048, 1024, 8L << 30), (device.MaxThreadsPerSm, device.MaxThreadsPerBlock, device.TotalMemory));
        Assert.Equal((1755000, 2619000, 5120), (device.ClockKHz, device.MemoryClockKHz, device.BusWidthBits));
    }

    [Fact]
    public void A_device_is_opened_by_its_number_its_name_and_its_UUID()
    {
        Emulator.Require();
        foreach (GpuDeviceInfo info in GpuDevice.List())
        {
            foreach (string id in (string[])[$"cuda:{info.Ordinal}", info.Uuid, info.Uuid.ToUpperInvariant()])
            {
                using var device = GpuDevice.Open(id);
                Assert.Equal(info, device.Info);
            }

            using var byNumber = GpuDevice.Open(info.Ordinal);
            Assert.Equal(info, byNumber.Info);
        }

        using var first = GpuDevice.Open("cuda");
        Assert.Equal(0, first.Info.Ordinal);
    }

    [Theory]
    [InlineData("cuda:99")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:+1")]
    [InlineData("cuda:")]
    [InlineData("CUDA")]
    [InlineData("gpu")]
    [InlineData("GPU-00000000-0000-0000-0000-000000000000")]
    public void An_unknown_device_is_refused_with_those_there_are(string id)
    {
        Emulator.Require();
        ArgumentException exception = Assert.Throws<ArgumentException>(() => GpuDevice.Open(id));
        Assert.StartsWith($"There is no device '{id}'. Name one as cuda:N or by its UUID; the driver shows cuda:0 (", exception.Message,
            StringComparison.Ordinal);
        Assert.Contains(GpuDevice.List()[0].Uuid, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_that_no_device_has_is_refused()
    {
        Emulator.Require();
        Assert.Throws<ArgumentException>(() => GpuDevice.Open(-1));
        Assert.Throws<ArgumentException>(() => GpuDevice.Open(99));
    }

    [Fact]
    public void A_disposed_device_says_so_and_what_was_made_on_it_can_still_be_let_go()
    {
        GpuDevice device = Emulator.Open();
        DeviceMemory<float> memory = device.Allocate<float>(100);
        GpuStream stream = device.CreateStream();
        device.Dispose();
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.Allocate<float>(1));
        Assert.Throws<ObjectDisposedException>(() => device.CreateStream());
        Assert.Throws<ObjectDisposedException>(() => device.MemoryInfo);
        memory.Dispose();
        stream.Dispose();
        stream.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Pointer);
        Assert.Throws<ObjectDisposedException>(() => stream.Synchronize());
    }
}
