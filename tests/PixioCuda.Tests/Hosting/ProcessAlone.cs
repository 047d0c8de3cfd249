using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>For tests of what belongs to the whole process (listeners, memory, threads, the shared pool of arrays): they run while no other
/// test does.</summary>
[CollectionDefinition(nameof(ProcessAlone), DisableParallelization = true)]
public sealed class ProcessAlone;
