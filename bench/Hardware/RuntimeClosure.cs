using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json.Nodes;

namespace PixioCuda.Bench.Hardware;

/// <summary>Which of the .NET runtime's assemblies the programs of a folder can reach, so that a bundle carries no others. An assembly reaches
/// those in which the types that it refers to are defined, and those that forward to them; what a facade such as netstandard forwards
/// besides, nobody reaches through it.</summary>
internal sealed class RuntimeClosure(string programs, string runtime)
{
    // What the runtime itself asks for by name.
    private static readonly string[] Roots = ["System.Private.CoreLib", "System.Runtime", "System.Diagnostics.StackTrace"];

    private readonly Dictionary<string, Assembly?> _assemblies = new(StringComparer.Ordinal);

    // A tenth of it, and reached only by what would write or read reports in XML.
    private static readonly string[] UnusedAssemblies = ["System.Private.Xml.dll", "System.Private.Xml.Linq.dll"];

    // Its debugger, its tracing and its other garbage collectors.
    private static readonly string[] UnusedLibraries =
        ["libmscordaccore.so", "libmscordbi.so", "libcoreclrtraceptprovider.so", "libclrgc.so", "libclrgcexp.so"];

    /// <summary>Copies a runtime without what the programs of a folder cannot reach, and prints what was copied.</summary>
    /// <param name="programs">A folder of assemblies.</param>
    /// <param name="runtime">The folder of the shared framework.</param>
    /// <param name="target">A folder that is there.</param>
    /// <returns>The exit code.</returns>
    public static int Copy(string programs, string runtime, string target)
    {
        HashSet<string> files = [
            .. new RuntimeClosure(programs, runtime).Files().Except(UnusedAssemblies),
            .. Directory.EnumerateFiles(runtime, "*.so").Select(file => Path.GetFileName(file)).Except(UnusedLibraries)];
        foreach (string file in files)
            File.Copy(Path.Combine(runtime, file), Path.Combine(target, file));

        // The runtime is started by its manifest, and insists on what stands in there.
        const string Manifest = "Microsoft.NETCore.App.deps.json";
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(runtime, Manifest)))!;
        foreach ((_, JsonNode? package) in manifest["targets"]!.AsObject().SelectMany(of => of.Value!.AsObject()))
        {
            foreach (string kind in (string[])["runtime", "native"])
            {
                if (package?[kind] is JsonObject assets)
                {
                    foreach (string asset in assets.Select(asset => asset.Key).Where(asset => !files.Contains(Path.GetFileName(asset))).ToArray())
                        assets.Remove(asset);
                }
            }
        }

        File.WriteAllText(Path.Combine(target, Manifest), manifest.ToJsonString());
        Console.WriteLine($"{files.Count} files of the .NET runtime in {runtime}");
        return 0;
    }

    private IEnumerable<string> Files()
    {
        Queue<string> waiting = new(Roots.Concat(Directory.EnumerateFiles(programs, "*.dll").Select(file => Path.GetFileNameWithoutExtension(file))));
        HashSet<string> seen = new(StringComparer.Ordinal);
        while (waiting.TryDequeue(out string? name))
        {
            if (!seen.Add(name) || Find(name) is not Assembly assembly)
                continue;
            foreach ((string scope, string type) in assembly.References)
            {
                // Along the forwarders to where the type is.
                for (string? next = scope; next is not null; next = Find(next)?.Forwarded.GetValueOrDefault(type))
                    waiting.Enqueue(next);
            }
        }

        return seen.Where(name => Find(name)?.Folder == runtime).Select(name => name + ".dll");
    }

    // What lies beside the programs is meant before what the runtime has under the same name.
    private Assembly? Find(string name)
    {
        if (!_assemblies.TryGetValue(name, out Assembly? assembly))
        {
            string? folder = ((string[])[programs, runtime]).FirstOrDefault(folder => File.Exists(Path.Combine(folder, name + ".dll")));
            _assemblies[name] = assembly = folder is null ? null : Assembly.Read(folder, name);
        }

        return assembly;
    }

    /// <summary>What an assembly refers to.</summary>
    /// <param name="Folder">Where it lies.</param>
    /// <param name="References">Types of other assemblies, each with the assembly that is asked for it.</param>
    /// <param name="Forwarded">Types that it only forwards, and to where.</param>
    private sealed record Assembly(string Folder, IReadOnlyList<(string Scope, string Type)> References, IReadOnlyDictionary<string, string> Forwarded)
    {
        public static Assembly Read(string folder, string name)
        {
            using PEReader image = new(File.OpenRead(Path.Combine(folder, name + ".dll")));
            MetadataReader metadata = image.GetMetadataReader();
            List<(string Scope, string Type)> references = [];
            foreach (TypeReferenceHandle handle in metadata.TypeReferences)
            {
                TypeReference type = metadata.GetTypeReference(handle);
                // A nested type lies where the one around it does, which is referred to as well.
                if (type.ResolutionScope.Kind == HandleKind.AssemblyReference)
                    references.Add((NameOf((AssemblyReferenceHandle)type.ResolutionScope), FullName(type.Namespace, type.Name)));
            }

            Dictionary<string, string> forwarded = new(StringComparer.Ordinal);
            foreach (ExportedTypeHandle handle in metadata.ExportedTypes)
            {
                ExportedType type = metadata.GetExportedType(handle);
                if (type.IsForwarder && type.Implementation.Kind == HandleKind.AssemblyReference)
                    forwarded[FullName(type.Namespace, type.Name)] = NameOf((AssemblyReferenceHandle)type.Implementation);
            }

            return new Assembly(folder, references, forwarded);

            string NameOf(AssemblyReferenceHandle assembly) => metadata.GetString(metadata.GetAssemblyReference(assembly).Name);

            string FullName(StringHandle space, StringHandle type) => $"{metadata.GetString(space)}.{metadata.GetString(type)}";
        }
    }
}
