using CsCheck;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Retention;

public sealed class RetentionPlannerTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly StorePathName[] Names = [.. Enumerable.Range(0, 12).Select(i => SyntheticPath.NameOf($"path{i}"))];
    private static readonly RetentionRules Rules = new(true, 2, TimeSpan.FromDays(10), false);

    // References lead anywhere, circles included: a repository must survive what should not be.
    private static readonly Gen<(List<PathFacts> Paths, RetentionRoots Roots)> GenCase = Gen.Select(
        Gen.Select(Gen.Int[0, 11].List[0, 3], Gen.Int[1, 9], Gen.Int[0, 30]).List[1, 12],
        Gen.Select(Gen.Int[0, 2], Gen.Int[1, 4], Gen.Int[0, 11]).List[0, 5],
        Gen.Select(Gen.Int[0, 11], Gen.Int[-3, 3]).List[0, 3],
        Gen.Int[0, 3],
        (paths, generations, pins, tag) => (
            paths.Select((p, i) => new PathFacts(Names[i], [.. p.Item1.Select(r => Names[r])], (ulong)p.Item2, Now - TimeSpan.FromDays(p.Item3))).ToList(),
            new RetentionRoots(
                Rules,
                [.. generations.Select(g => new ProfileGenerationRecord($"p{g.Item1}", g.Item2, Names[g.Item3])).DistinctBy(g => (g.Name, g.Generation))],
                [.. pins.Select(p => new PathPin(Names[p.Item1], Now + TimeSpan.FromDays(p.Item2), "x"))],
                tag == 0 ? [] : [new TaggedRevision("v", (ulong)tag)])));

    [Fact]
    public void Never_goes_a_path_that_a_remaining_one_needs_after_any_part_of_the_list() => GenCase.Sample(c =>
    {
        var plan = RetentionPlanner.Plan(c.Paths, c.Roots, Now);
        var left = c.Paths.ToDictionary(p => p.Path);
        foreach (var gone in plan.Removed)
        {
            Assert.True(left.Remove(gone));
            Assert.DoesNotContain(left.Values, p => p.References.Contains(gone));
        }

        Assert.Equal(left.Keys.Order(), plan.Kept.Keys.Order());
    });

    [Fact]
    public void Every_kept_path_has_a_reason_that_holds_and_every_root_is_kept() => GenCase.Sample(c =>
    {
        var plan = RetentionPlanner.Plan(c.Paths, c.Roots, Now);
        var facts = c.Paths.ToDictionary(p => p.Path);
        foreach (var (path, reason) in plan.Kept)
        {
            switch (reason.Kind)
            {
                case KeepKind.Reference:
                    var referrer = StorePathName.Parse(reason.What);
                    Assert.Contains(path, facts[referrer].References);
                    Assert.True(plan.Kept.ContainsKey(referrer));
                    break;
                case KeepKind.Profile:
                    Assert.Contains(c.Roots.Generations, g => $"{g.Name}-{g.Generation}" == reason.What && g.Target == path);
                    break;
                case KeepKind.Pin:
                    Assert.Contains(c.Roots.Pins, p => p.Path == path && p.Until > Now);
                    break;
                case KeepKind.Tag:
                    Assert.True(facts[path].Revision <= c.Roots.Tags[0].Revision);
                    break;
                case KeepKind.Recent:
                    Assert.True(facts[path].PublishedAt >= Now - Rules.KeepRecent);
                    break;
            }
        }

        foreach (var pin in c.Roots.Pins.Where(p => p.Until > Now && facts.ContainsKey(p.Path)))
            Assert.True(plan.Kept.ContainsKey(pin.Path));
        foreach (var profile in c.Roots.Generations.GroupBy(g => g.Name))
        {
            foreach (var generation in profile.OrderByDescending(g => g.Generation).Take(Rules.ProfileGenerations).Where(g => facts.ContainsKey(g.Target)))
                Assert.True(plan.Kept.ContainsKey(generation.Target));
        }
    });

    [Fact]
    public void What_nothing_keeps_goes()
    {
        var old = Now - TimeSpan.FromDays(11);
        PathFacts[] paths =
        [
            new(Names[0], [Names[1]], 1, old),
            new(Names[1], [Names[1]], 1, old),
            new(Names[2], [Names[3]], 2, old),
            new(Names[3], [], 2, old),
        ];
        var plan = RetentionPlanner.Plan(paths, new RetentionRoots(Rules, [new ProfileGenerationRecord("p", 1, Names[2])], [], []), Now);
        Assert.Equal([Names[0], Names[1]], plan.Removed);
        Assert.Equal(new KeepReason(KeepKind.Profile, "p-1"), plan.Kept[Names[2]]);
        Assert.Equal(new KeepReason(KeepKind.Reference, Names[2].Value), plan.Kept[Names[3]]);
    }

    [Fact]
    public void Without_rules_nothing_goes() => GenCase.Sample(c =>
        Assert.Empty(RetentionPlanner.Plan(c.Paths, c.Roots with { Rules = RetentionRules.KeepAll }, Now).Removed));

    [Fact]
    public void A_withdrawal_takes_everything_that_needs_the_path_and_nothing_else() => GenCase.Sample(c =>
    {
        var path = c.Paths[0].Path;
        var gone = RetentionPlanner.WithDependents(c.Paths, path).ToHashSet();
        Assert.Contains(path, gone);
        foreach (var p in c.Paths)
        {
            if (!gone.Contains(p.Path))
                Assert.DoesNotContain(p.References, gone.Contains);
            else if (p.Path != path)
                Assert.Contains(p.References, r => gone.Contains(r));
        }

        Assert.Empty(RetentionPlanner.WithDependents(c.Paths, SyntheticPath.NameOf("elsewhere")));
    });
}
