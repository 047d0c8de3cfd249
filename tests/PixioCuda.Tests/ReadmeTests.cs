using System.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace PixioCuda.Tests;

/// <summary>The program in the README is compiled and run, to the letter.</summary>
public class ReadmeTests
{
    private const string ImplicitUsings = "global using System; global using System.IO; global using System.Linq; global using System.Collections.Generic;";

    [Fact]
    public void The_program_in_the_readme_runs()
    {
        string root = Path.GetFullPath(TestData.Path("..", ".."));
        string readme = File.ReadAllText(Path.Combine(root, "README.md"));
        const string fence = "```csharp\n";
        int begin = readme.IndexOf(fence, StringComparison.Ordinal) + fence.Length;
        string program = readme[begin..readme.IndexOf("```", begin, StringComparison.Ordinal)];
        Assert.InRange(program.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, 3, 5);

        string folder = Directory.CreateTempSubdirectory("pixio-readme").FullName;
        try
        {
            Compile(program, Path.Combine(folder, "app.dll"));
            foreach (string library in new[] { "PixioCuda.dll", "PixioCuda.Interop.dll", "PixioCuda.Kernels.dll", "StbImageSharp.dll",
                "Microsoft.Extensions.Logging.Abstractions.dll", "Microsoft.Extensions.DependencyInjection.Abstractions.dll", "System.Numerics.Tensors.dll" })
                File.Copy(Path.Combine(AppContext.BaseDirectory, library), Path.Combine(folder, library));
            File.WriteAllText(Path.Combine(folder, "app.runtimeconfig.json"),
                $$"""{"runtimeOptions": {"tfm": "net10.0", "framework": {"name": "Microsoft.NETCore.App", "version": "{{Environment.Version.ToString(3)}}" } } }""");
            (int exitCode, string output, string error) = Run(Path.Combine(folder, "app.dll"), root);
            Assert.True(exitCode == 0, error);
            Assert.StartsWith("768 numbers, beginning with ", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Compile(string program, string path)
    {
        string platform = (string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!;
        CSharpCompilation compilation = CSharpCompilation.Create(
            "app",
            [CSharpSyntaxTree.ParseText(program), CSharpSyntaxTree.ParseText(ImplicitUsings)],
            platform.Split(Path.PathSeparator).Select(file => MetadataReference.CreateFromFile(file)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        Microsoft.CodeAnalysis.Emit.EmitResult result = compilation.Emit(path);
        Assert.True(result.Success, string.Join('\n', result.Diagnostics));
        Assert.Empty(result.Diagnostics.Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning));
    }

    private static (int ExitCode, string Output, string Error) Run(string program, string folder)
    {
        using Process process = Process.Start(new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [program])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
