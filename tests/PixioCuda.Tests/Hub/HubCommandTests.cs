using System.Diagnostics;
using PixioCuda.Tests.Cli;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Hub;

/// <summary>The built command and the hub: environment, several processes, other users.</summary>
public class HubCommandTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_model_is_named_as_on_the_hub_and_the_licence_is_stated_once()
    {
        using FakeHub hub = new();
        using TemporaryFolder home = new();
        ProcessResult first = await RunAsync(Start(hub, home, "embed", CliData.Cat, "--model", FakeHub.Repository));
        Assert.Equal(0, first.ExitCode);
        Assert.Equal(PixioRun.Of("embed", CliData.Cat, "--model", CliData.Model).Out, first.Out);
        Assert.Contains("FAIR Noncommercial Research Licence", first.Error, StringComparison.Ordinal);
        Assert.Contains("https://huggingface.co/facebook/pixio-tiny", first.Error, StringComparison.Ordinal);
        Assert.True(File.Exists(home.File($"hub/models--facebook--pixio-tiny/snapshots/{FakeHub.Commit}/model.safetensors")));

        ProcessResult second = await RunAsync(Start(hub, home, "embed", CliData.Cat, "--model", FakeHub.Repository));
        Assert.Equal(first.Out, second.Out);
        Assert.DoesNotContain("Licence", second.Error, StringComparison.Ordinal);
        Assert.Single(hub.Cdn.Requests);

        hub.Dispose();
        ProcessStartInfo offline = Start(hub, home, "embed", CliData.Cat, "--model", FakeHub.Repository);
        offline.Environment["HF_HUB_OFFLINE"] = "1";
        Assert.Equal(first.Out, (await RunAsync(offline)).Out);
    }

    [Fact]
    public async Task Two_processes_at_once_download_once()
    {
        using FakeHub hub = new();
        using TemporaryFolder home = new();
        TaskCompletionSource both = new();
        int asked = 0;
        hub.InterceptHub = request =>
        {
            if (request.ToString() == $"HEAD /{FakeHub.Repository}/resolve/{FakeHub.Commit}/model.safetensors"
                && Interlocked.Increment(ref asked) == 2)
                _ = Task.Delay(1000).ContinueWith(_ => both.TrySetResult(), TaskScheduler.Default);
            return null;
        };
        // Nothing comes before both processes want it, and one of them must wait for the other.
        hub.InterceptCdn = request => hub.Content(request) with { Gate = both.Task };
        ProcessResult[] results = await Task.WhenAll(
            Enumerable.Range(0, 2).Select(_ => RunAsync(Start(hub, home, "embed", CliData.Cat, "--model", FakeHub.Repository))));
        Assert.All(results, result => Assert.Equal(0, result.ExitCode));
        Assert.Equal(results[0].Out, results[1].Out);
        Assert.Single(hub.Cdn.Requests);
        Assert.Single(results, result => result.Error.Contains("Another process downloads 'model.safetensors'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_process_that_is_killed_leaves_no_lock_behind()
    {
        using FakeHub hub = new();
        using TemporaryFolder home = new();
        TaskCompletionSource stalled = new();
        hub.InterceptCdn = request =>
        {
            bool isFirst = stalled.TrySetResult();
            return hub.Content(request) with { StallAfter = isFirst ? 100 : null };
        };
        using (var process = Process.Start(Start(hub, home, "info", FakeHub.Repository))!)
        {
            await stalled.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        ProcessResult result = await RunAsync(Start(hub, home, "info", FakeHub.Repository));
        Assert.Equal(0, result.ExitCode);
        Assert.DoesNotContain("Another process", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gated_model_ends_with_one_line_and_exit_code_3()
    {
        using FakeHub hub = new() { InterceptHub = _ => FakeHub.Refuse(401, "GatedRepo") };
        using TemporaryFolder home = new();
        ProcessStartInfo start = Start(hub, home, "info", FakeHub.Repository);
        start.Environment["PIXIO_DEBUG"] = "1";
        ProcessResult result = await RunAsync(start);
        Assert.Equal(3, result.ExitCode);
        Assert.Empty(result.Out);
        string line = result.Error.Split('\n')[0];
        Assert.StartsWith("pixio: The model facebook/pixio-tiny is gated (401).", line, StringComparison.Ordinal);
        Assert.Contains("https://huggingface.co/facebook/pixio-tiny", line, StringComparison.Ordinal);
        Assert.DoesNotContain(FakeHub.Token, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_local_folder_of_that_name_wins()
    {
        using FakeHub hub = new();
        using TemporaryFolder home = new();
        Directory.CreateDirectory(home.File("work/facebook"));
        Directory.CreateSymbolicLink(home.File("work/facebook/pixio-tiny"), TestData.Path("tiny"));
        ProcessStartInfo start = Start(hub, home, "info", FakeHub.Repository, "--json");
        start.WorkingDirectory = home.File("work");
        ProcessResult result = await RunAsync(start);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("\"weights\":\"facebook/pixio-tiny/model.safetensors\"", result.Out, StringComparison.Ordinal);
        Assert.Empty(hub.Hub.Requests);
    }

    [Fact]
    public async Task The_proxy_of_the_environment_is_used()
    {
        // The hub itself plays the proxy: it is asked for addresses whose host nobody could find.
        using FakeHub hub = new();
        using TemporaryFolder home = new();
        hub.InterceptHub = request => request is { Method: "GET" } && FakeHub.IsLarge(request.Target) ? hub.Content(request) : null;
        ProcessStartInfo start = Start(hub, home, "info", FakeHub.Repository);
        start.Environment["HF_ENDPOINT"] = "http://hub.invalid";
        start.Environment["http_proxy"] = hub.Hub.Address;
        ProcessResult result = await RunAsync(start);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.NotEmpty(hub.Hub.Requests);
        Assert.All(
            hub.Hub.Requests, request => Assert.StartsWith("http://hub.invalid/facebook/", request.Target, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_read_only_cache_serves_what_it_has_and_says_what_to_do_where_it_lacks()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no mode bits.");
            return;
        }

        bool isRoot = Environment.UserName == "root";
        if (isRoot && !File.Exists("/usr/bin/setpriv"))
            Assert.Skip("Root can write everywhere, and without setpriv it cannot be somebody else.");
        using FakeHub hub = new();
        using TemporaryFolder home = new();
        File.SetUnixFileMode(home.Root, File.GetUnixFileMode(home.Root) | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        PythonCache.Write(hub, home.File("hub"), FakeHub.Commit, "config.json", "preprocessor_config.json", "model.safetensors");
        string[] folders = Directory.GetDirectories(home.Root, "*", SearchOption.AllDirectories);
        const UnixFileMode readOnly = UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        try
        {
            foreach (string folder in folders)
                File.SetUnixFileMode(folder, readOnly);
            ProcessResult result = await RunAsync(AsNobody(Start(hub, home, "info", FakeHub.Repository)));
            Assert.True(result.ExitCode == 0, result.Error);
            Assert.Equal("HEAD", Assert.Single(hub.Hub.Requests).Method);

            hub.Revisions.Add("next");
            result = await RunAsync(AsNobody(Start(hub, home, "info", $"{FakeHub.Repository}@next")));
            Assert.True(result.ExitCode == 0, result.Error);
            Assert.Contains("cannot be written, so that 'next' stays", result.Error, StringComparison.Ordinal);

            File.Delete(home.File($"hub/models--facebook--pixio-tiny/snapshots/{FakeHub.Commit}/model.safetensors"));
            result = await RunAsync(AsNobody(Start(hub, home, "info", FakeHub.Repository)));
            Assert.Equal(3, result.ExitCode);
            Assert.Contains("cannot be written", result.Error, StringComparison.Ordinal);
            Assert.Contains("HF_HUB_CACHE", result.Error, StringComparison.Ordinal);
        }
        finally
        {
            foreach (string folder in folders)
                File.SetUnixFileMode(folder, readOnly | UnixFileMode.UserWrite);
        }

        ProcessStartInfo AsNobody(ProcessStartInfo start)
        {
            if (!isRoot)
                return start;
            List<string> args = ["--reuid=65534", "--regid=65534", "--clear-groups", start.FileName, .. start.ArgumentList];
            start.FileName = "/usr/bin/setpriv";
            start.ArgumentList.Clear();
            foreach (string arg in args)
                start.ArgumentList.Add(arg);
            return start;
        }
    }

    private static ProcessStartInfo Start(FakeHub hub, TemporaryFolder home, params string[] args)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "pixio.exe" : "pixio"), args)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string name in new[]
        {
            "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN_PATH", "http_proxy", "HTTP_PROXY",
            "all_proxy", "ALL_PROXY",
        })
            start.Environment.Remove(name);
        start.Environment["HF_HOME"] = home.Root;
        start.Environment["HF_ENDPOINT"] = hub.Hub.Address;
        start.Environment["HF_TOKEN"] = FakeHub.Token;
        return start;
    }

    private static async Task<ProcessResult> RunAsync(ProcessStartInfo start)
    {
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        try
        {
            CancellationToken cancellation = TestContext.Current.CancellationToken;
            await process.WaitForExitAsync(cancellation).WaitAsync(Patience, cancellation);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        return new ProcessResult(process.ExitCode, await output, await error);
    }

    private sealed record ProcessResult(int ExitCode, string Out, string Error);
}
