using CsCheck;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Retention;

public sealed class RollbackPlannerTests
{
    private static readonly StorePathName[] Names = [.. Enumerable.Range(0, 6).Select(i => SyntheticPath.NameOf($"path{i}"))];

    // A history of single steps: a path comes or goes, a profile is set, its newest generation goes.
    private static readonly Gen<(List<(int Kind, int Path)> Steps, int To)> GenHistory = Gen.Select(Gen.Select(Gen.Int[0, 3], Gen.Int[0, 5]).List[0, 20], Gen.Int[0, 20], (steps, to) => (steps, Math.Min(to, steps.Count)));

    [Fact]
    public void The_way_back_leads_to_the_paths_and_profiles_of_then() => GenHistory.Sample(c =>
    {
        var world = new World();
        var then = (Paths: new HashSet<StorePathName>(), Profile: (StorePathName?)null);
        var since = new List<RevisionChange>();
        for (int i = 0; i <= c.Steps.Count; i++)
        {
            if (i == c.To)
                then = ([.. world.Paths], world.Profile);
            if (i == c.Steps.Count)
                break;
            RevisionChange change = world.Do(c.Steps[i].Kind, Names[c.Steps[i].Path]);
            if (i >= c.To)
                since.Add(change);
        }

        RollbackPlan plan = RollbackPlanner.Plan(since, [.. world.Paths.Select(p => new PathFacts(p, [], 1, DateTimeOffset.UnixEpoch))], world.Generations);
        Assert.Equal(plan.Returning, plan.Returning.Order());
        Assert.All(plan.Returning, p => Assert.DoesNotContain(p, world.Paths));
        Assert.All(plan.Leaving, p => Assert.Contains(p, world.Paths));
        Assert.Equal(then.Paths.Order(), world.Paths.Union(plan.Returning).Except(plan.Leaving).Order());
        Assert.All(plan.Dropped, g => Assert.Contains(g, world.Generations));

        // First what is set, as a new generation, and from there what is dropped: that is how it is carried out.
        List<RevisionChange> more = [.. since];
        foreach (ProfileTarget set in plan.Profiles)
            more.Add(world.Do(2, set.Target));
        RollbackPlan second = RollbackPlanner.Plan(more, [.. world.Paths.Select(p => new PathFacts(p, [], 1, DateTimeOffset.UnixEpoch))], world.Generations);
        Assert.Empty(second.Profiles);
        world.Generations.RemoveAll(second.Dropped.Contains);
        Assert.Equal(then.Profile, world.Profile);
    });

    [Fact]
    public void What_a_staying_path_needs_stays()
    {
        // Removed and published again, with other needs.
        var since = new[] { new RevisionChange([], [Names[0]], [], []), new RevisionChange([Names[0], Names[1], Names[2], Names[3]], [], [], []) };
        RollbackPlan plan = RollbackPlanner.Plan(since, [Facts(0, 1), Facts(1, 2), Facts(2), Facts(3)], []);
        Assert.Equal([Names[3]], plan.Leaving);
        Assert.Empty(plan.Returning);
        Assert.True(RollbackPlanner.Plan([], [Facts(0)], []).IsEmpty);
    }

    private static PathFacts Facts(int path, params int[] references) => new(Names[path], [.. references.Select(r => Names[r])], 1, DateTimeOffset.UnixEpoch);

    private sealed class World
    {
        public HashSet<StorePathName> Paths { get; } = [];

        public List<ProfileGenerationRecord> Generations { get; } = [];

        public StorePathName? Profile => Generations.MaxBy(g => g.Generation)?.Target;

        public RevisionChange Do(int kind, StorePathName path)
        {
            switch (kind)
            {
                case 0 when Paths.Add(path):
                    return new RevisionChange([path], [], [], []);
                case 1 when Paths.Remove(path):
                    return new RevisionChange([], [path], [], []);
                case 2 when Profile != path:
                    var set = new ProfileGenerationRecord("p", Generations.Select(g => g.Generation).DefaultIfEmpty().Max() + 1, path);
                    Generations.Add(set);
                    return new RevisionChange([], [], [set], []);
                case 3 when Generations.MaxBy(g => g.Generation) is { } newest:
                    Generations.Remove(newest);
                    return new RevisionChange([], [], [], [newest]);
                default:
                    return new RevisionChange([], [], [], []);
            }
        }
    }
}
