using CsCheck;
using CvmfsNix.Cluster.Model.Copies;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Copies;

public sealed class CopyRulesTests
{
    private static readonly Gen<StoreMember[]> Sets =
        Gen.Int[0, 3].Array[0, 6].Select(sites => sites.Select((site, i) => Store($"store{i}", $"site{site}")).ToArray());

    [Fact]
    public void Enough_are_never_fewer_than_asked_for_and_only_stores_of_the_set_count()
    {
        Gen.Select(Sets, Gen.Int[1, 4], Gen.Int[0, 63]).Sample((stores, copies, mask) =>
        {
            string[] confirmed = [.. Enumerable.Range(0, 6).Where(i => (mask & (1 << i)) != 0).Select(i => $"store{i}"), "gone"];
            StoreMember[] counted = [.. stores.Where(s => confirmed.Contains(s.Id))];
            bool enough = new CopyRules(copies).AreEnough(confirmed, stores);
            bool spread = counted.Select(s => s.Site).Distinct().Count() >= 2 || stores.Select(s => s.Site).Distinct().Count() < 2 || copies == 1;
            return enough == (counted.Length >= copies && spread);
        });
    }

    [Fact]
    public void A_repeated_id_counts_once() =>
        Assert.False(new CopyRules(2).AreEnough(["a", "a"], [Store("a", "s"), Store("a", "s")]));

    [Fact]
    public void The_first_stores_of_the_order_are_enough_whenever_all_of_them_are()
    {
        Gen.Select(Sets, Gen.Int[1, 4], Gen.String).Sample((stores, copies, seed) =>
        {
            if (stores.Length == 0)
                return;
            var rules = new CopyRules(copies);
            string own = stores[0].Id;
            var order = CopyRules.Order(stores, [own], seed);
            Assert.Equal(stores.Skip(1).Select(s => s.Id).Order(), order.Select(s => s.Id).Order());
            if (rules.AreEnough([.. stores.Select(s => s.Id)], stores))
                Assert.True(rules.AreEnough([own, .. order.Take(Math.Max(0, copies - 1)).Select(s => s.Id)], stores));
        });
    }

    [Fact]
    public void One_seed_prefers_the_same_stores_and_many_seeds_use_all()
    {
        StoreMember[] stores = [.. Enumerable.Range(0, 5).Select(i => Store($"store{i}", "s"))];
        Assert.Equal(CopyRules.Order(stores, ["store0"], "x"), CopyRules.Order([.. stores.Reverse()], ["store0"], "x"));
        Assert.Equal(4, Enumerable.Range(0, 100).Select(i => CopyRules.Order(stores, ["store0"], $"{i}")[0]).Distinct().Count());
    }

    private static StoreMember Store(string id, string site) => new(id, "akka.tcp://cvmfsnix@" + id, "http://" + id, site);
}
