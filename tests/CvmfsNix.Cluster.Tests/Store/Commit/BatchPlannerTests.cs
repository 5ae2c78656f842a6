using System.Security.Cryptography;
using System.Text;
using CsCheck;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

public sealed class BatchPlannerTests
{
    private static readonly StorePathName[] Names = [.. Enumerable.Range(0, 8).Select(i => SyntheticPath.NameOf($"path{i}"))];

    private static readonly Gen<PlannedPath> GenPath = Gen.Select(
        Gen.Int[0, Names.Length - 1], Gen.Int[0, 9], Gen.Int[0, Names.Length - 1].List[0, 2], Gen.Int[0, 5],
        (name, content, references, address) => Path(Names[name], content < 8 ? 0 : 1, [.. references.Select(r => Names[r])], address == 0));

    private static readonly Gen<PlannedMember> GenMember = Gen.Select(
        GenPath.List[1, 4], Gen.Bool, Gen.Int[-8, Names.Length - 1],
        (paths, refuse, target) => new PlannedMember(
            Guid.NewGuid(), refuse ? ConflictPolicy.Refuse : ConflictPolicy.Keep, target < 0 ? null : Names[target], [.. paths.DistinctBy(p => p.Path)]));

    private static readonly Gen<(List<PlannedMember> Members, Dictionary<StorePathName, NarHash> Committed)> GenBatch = Gen.Select(
        GenMember.List[0, 7], Gen.Int[0, Names.Length - 1].List[0, 3],
        (members, committed) => (members, committed.Distinct().ToDictionary(i => Names[i], _ => Hash(0))));

    [Fact]
    public void Whatever_the_batch_the_result_is_closed_disjoint_and_whole() => GenBatch.Sample(batch =>
    {
        IReadOnlyList<MemberPlan> plans = Plan(batch.Members, batch.Committed);
        Assert.Equal(batch.Members.Count, plans.Count);
        var there = new HashSet<StorePathName>(batch.Committed.Keys);
        foreach (StorePathName added in plans.SelectMany(p => p.New))
            Assert.True(there.Add(added), "a path is added twice");

        for (int i = 0; i < plans.Count; i++)
        {
            if (plans[i].Rejection is not null)
            {
                Assert.Empty(plans[i].New);
                Assert.Empty(plans[i].ContentKept);
                Assert.Equal(0, plans[i].Present);
                continue;
            }

            PlannedMember member = batch.Members[i];
            Assert.Equal(member.Paths.Count, plans[i].New.Count + plans[i].Present + plans[i].ContentKept.Count);
            Assert.All(member.Paths, p => Assert.Contains(p.Path, there));
            Assert.All(member.Paths.SelectMany(p => p.References), r => Assert.Contains(r, there));
            if (member.ProfileTarget is { } target)
                Assert.Contains(target, there);
            Assert.All(plans[i].ContentKept, k => Assert.False(member.Conflict == ConflictPolicy.Refuse || member.Paths.Single(p => p.Path == k).IsContentAddressed));
        }
    });

    [Fact]
    public void Nobody_is_rejected_without_a_reason_that_holds_in_the_end() => GenBatch.Sample(batch =>
    {
        IReadOnlyList<MemberPlan> plans = Plan(batch.Members, batch.Committed);
        Dictionary<StorePathName, NarHash> there = Result(batch.Members, plans, batch.Committed);
        for (int i = 0; i < plans.Count; i++)
        {
            if (plans[i].Rejection is not { } rejection)
                continue;
            PlannedMember member = batch.Members[i];
            if (rejection.Code == RejectionCodes.StorePathConflict)
            {
                PlannedPath path = member.Paths.Single(p => p.Path.Value == rejection.What);
                Assert.True(there.TryGetValue(path.Path, out NarHash hash) && hash != path.NarHash);
                Assert.True(path.IsContentAddressed || member.Conflict == ConflictPolicy.Refuse);
            }
            else
            {
                Assert.Equal(RejectionCodes.MissingReference, rejection.Code);
            }
        }
    });

    [Fact]
    public void Without_conflicts_any_order_gives_the_same_paths_and_the_same_rejections() =>
        Gen.Select(GenBatch, Gen.Int).Sample((batch, seed) =>
        {
            List<PlannedMember> members = [.. batch.Members.Select(m => m with { Paths = [.. m.Paths.Select(p => p with { NarHash = Hash(0) })] })];
            PlannedMember[] shuffled = [.. members];
            new Random(seed).Shuffle(shuffled);
            IReadOnlyList<MemberPlan> plans = Plan(members, batch.Committed), others = Plan(shuffled, batch.Committed);
            Assert.Equal(plans.SelectMany(p => p.New).Order(), others.SelectMany(p => p.New).Order());
            Assert.Equal(Rejected(members, plans), Rejected(shuffled, others));
        });

    [Fact]
    public void A_member_left_out_because_it_is_rejected_changes_nothing_for_the_others() => GenBatch.Sample(batch =>
    {
        IReadOnlyList<MemberPlan> plans = Plan(batch.Members, batch.Committed);
        PlannedMember[] taken = [.. batch.Members.Where((_, i) => plans[i].Rejection is null)];
        IReadOnlyList<MemberPlan> again = Plan(taken, batch.Committed);
        Assert.All(again, p => Assert.Null(p.Rejection));
        Assert.Equal(plans.SelectMany(p => p.New), again.SelectMany(p => p.New));
    });

    [Fact]
    public void The_same_content_is_present_the_second_time()
    {
        IReadOnlyList<MemberPlan> plans = Plan([Member(Path("a", 1)), Member(Path("a", 1))], []);
        Assert.Equal([Name("a")], plans[0].New);
        Assert.Equal((0, 1), (plans[1].New.Count, plans[1].Present));
    }

    [Fact]
    public void Other_content_of_an_input_addressed_path_is_kept_out_and_told()
    {
        IReadOnlyList<MemberPlan> plans = Plan([Member(Path("a", 2), Path("b", 1))], new() { [Name("a")] = Hash(1) });
        Assert.Null(plans[0].Rejection);
        Assert.Equal([Name("a")], plans[0].ContentKept);
        Assert.Equal([Name("b")], plans[0].New);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Other_content_is_refused_where_the_member_or_the_address_says_so(bool contentAddressed)
    {
        PlannedMember member = contentAddressed
            ? Member(Path(Name("a"), 2, [], true))
            : Member(Path("a", 2)) with { Conflict = ConflictPolicy.Refuse };
        IReadOnlyList<MemberPlan> committed = Plan([member], new() { [Name("a")] = Hash(1) });
        Assert.Equal((RejectionCodes.StorePathConflict, Name("a").Value), (committed[0].Rejection!.Code, committed[0].Rejection!.What));
        IReadOnlyList<MemberPlan> inBatch = Plan([Member(Path("a", 1)), member], []);
        Assert.Null(inBatch[0].Rejection);
        Assert.Equal(RejectionCodes.StorePathConflict, inBatch[1].Rejection!.Code);
    }

    [Fact]
    public void A_rejected_member_takes_those_with_it_that_need_its_paths_and_no_others()
    {
        PlannedMember bad = Member(Path("bad", 1, "absent"));
        PlannedMember needsBad = Member(Path("x", 1, "bad"));
        PlannedMember needsThat = Member(Path("y", 1, "x"));
        PlannedMember free = Member(Path("z", 1));
        IReadOnlyList<MemberPlan> plans = Plan([needsThat, free, needsBad, bad], []);
        Assert.Equal(["x", null, "bad", "absent"], plans.Select(p => p.Rejection is null ? null : StorePathName.Parse(p.Rejection.What).Name));
    }

    [Fact]
    public void References_may_lead_to_later_members_to_themselves_and_in_circles()
    {
        IReadOnlyList<MemberPlan> plans = Plan([Member(Path("a", 1, "a", "b")), Member(Path("b", 1, "c")), Member(Path("c", 1, "a"))], []);
        Assert.All(plans, p => Assert.Single(p.New));
    }

    [Fact]
    public void Who_lost_a_path_to_a_member_that_falls_is_taken_with_those_who_need_it()
    {
        PlannedMember falls = Member(Path("a", 1), Path("needs", 1, "absent"));
        PlannedMember lost = Member(Path("a", 2)) with { Conflict = ConflictPolicy.Refuse };
        PlannedMember needsLost = Member(Path("d", 1, "a"));
        IReadOnlyList<MemberPlan> plans = Plan([falls, lost, needsLost], []);
        Assert.Equal(RejectionCodes.MissingReference, plans[0].Rejection!.Code);
        Assert.Equal([Name("a")], plans[1].New);
        Assert.Equal([Name("d")], plans[2].New);

        // The first needs what the second brings, and the second gives way to the first: only the second can stand.
        PlannedMember needsItsLoser = Member(Path("a", 1), Path("e", 1, "f"));
        PlannedMember loser = Member(Path("a", 2), Path("f", 1)) with { Conflict = ConflictPolicy.Refuse };
        plans = Plan([needsItsLoser, loser, needsLost], []);
        Assert.NotNull(plans[0].Rejection);
        Assert.Equal([Name("a"), Name("f")], plans[1].New);
        Assert.Equal([Name("d")], plans[2].New);
    }

    [Fact]
    public void A_profile_needs_its_target()
    {
        Assert.Equal(RejectionCodes.MissingReference, Plan([Member() with { ProfileTarget = Name("a") }], [])[0].Rejection!.Code);
        Assert.Null(Plan([Member() with { ProfileTarget = Name("a") }, Member(Path("a", 1))], [])[0].Rejection);
    }

    private static IReadOnlyList<MemberPlan> Plan(IReadOnlyList<PlannedMember> members, Dictionary<StorePathName, NarHash> committed) =>
        BatchPlanner.Plan(members, p => committed.TryGetValue(p, out NarHash hash) ? hash : null);

    private static Dictionary<StorePathName, NarHash> Result(List<PlannedMember> members, IReadOnlyList<MemberPlan> plans, Dictionary<StorePathName, NarHash> committed)
    {
        var there = new Dictionary<StorePathName, NarHash>(committed);
        for (int i = 0; i < plans.Count; i++)
        {
            foreach (StorePathName added in plans[i].New)
                there.Add(added, members[i].Paths.Single(p => p.Path == added).NarHash);
        }

        return there;
    }

    private static IEnumerable<Guid> Rejected(IReadOnlyList<PlannedMember> members, IReadOnlyList<MemberPlan> plans) =>
        members.Where((_, i) => plans[i].Rejection is not null).Select(m => m.Transaction).Order();

    private static PlannedMember Member(params PlannedPath[] paths) => new(Guid.NewGuid(), ConflictPolicy.Keep, null, paths);

    private static PlannedPath Path(string name, int content, params string[] references) => Path(Name(name), content, [.. references.Select(Name)], false);

    private static PlannedPath Path(StorePathName name, int content, IReadOnlyList<StorePathName> references, bool contentAddressed) =>
        new(name, Hash(content), references, contentAddressed);

    private static StorePathName Name(string name) => SyntheticPath.NameOf(name);

    private static NarHash Hash(int content) => new(SHA256.HashData(Encoding.UTF8.GetBytes($"content {content}")));
}
