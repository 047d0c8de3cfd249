using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class GemmTasksTests
{
    /// <summary>Nothing is left out or done twice, and no task is larger than a thread's memory.</summary>
    [Fact]
    public void Every_row_of_every_panel_is_one_tasks()
    {
        foreach (int vectorBits in new[] { 128, 256, 512 })
        {
            foreach (int threads in new[] { 1, 2, 3, 5, 16, 64, 192 })
            {
                foreach (int rows in new[] { 1, 7, 8, 12, 13, 24, 25, 256, 263, 264, 265, 528, 1032, 1057 })
                {
                    foreach (int panels in new[] { 1, 2, 24, 40, 160 })
                        CheckPartition(new CpuTarget(vectorBits, threads), rows, panels);
                }
            }
        }
    }

    /// <summary>One picture, 256 x 256, on as many threads as servers have: of the time until the last tile is done, at least four fifths are
    /// tiles (with whole panels, ViT-B's proj and fc2 would keep 24 of 32 threads busy).</summary>
    [Theory]
    [InlineData(768)]
    [InlineData(1280)]
    [InlineData(3072)]
    [InlineData(5120)]
    public void Many_threads_are_kept_busy(int columns)
    {
        foreach (int threads in new[] { 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64 })
        {
            CpuTarget target = new(512, threads);
            int panels = target.PanelCount(columns), tiles = target.PadRows(264) / target.TileRows;
            GemmTasks tasks = new(264, panels, target);
            int largest = Enumerable.Range(0, tasks.Count).Max(task => Tiles(tasks.At(task), target));
            int rounds = (tasks.Count + threads - 1) / threads;
            double busy = (double)panels * tiles / ((double)rounds * largest * threads);
            Assert.True(busy >= 0.8, $"{columns} columns on {threads} threads: {busy:P0} of the time");
        }
    }

    /// <summary>Where whole panels come out even, nobody pays for bringing them into the cache more often.</summary>
    [Fact]
    public void Panels_stay_whole_where_they_suffice()
    {
        CpuTarget target = new(512, 2);
        Assert.Equal(24, new GemmTasks(264, 24, target).Count);
        Assert.Equal(4 * 160, new GemmTasks(4 * 264, 160, target).Count);
    }

    private static void CheckPartition(CpuTarget target, int rows, int panels)
    {
        GemmTasks tasks = new(rows, panels, target);
        int[,] seen = new int[panels, rows];
        for (int task = 0; task < tasks.Count; task++)
        {
            (int panel, int first, int end) = tasks.At(task);
            Assert.True(first % target.TileRows == 0, $"task {task} begins at row {first}, within a tile");
            Assert.True(end - first <= GemmTasks.RowsOfBlock(rows, target), $"task {task} has {end - first} rows");
            for (int row = first; row < end; row++)
                seen[panel, row]++;
        }

        foreach (int times in seen)
            Assert.True(times == 1, $"{rows} rows, {panels} panels, {target}: a row of a panel is in {times} tasks");
    }

    private static int Tiles((int Panel, int First, int End) task, CpuTarget target) =>
        (Math.Max(task.End - task.First, 0) + target.TileRows - 1) / target.TileRows;
}
