namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>A clock that goes by itself and is moved ahead by hand.</summary>
internal sealed class HandClock : TimeProvider
{
    private long _aheadTicks;

    public void Advance(TimeSpan by) => Interlocked.Add(ref _aheadTicks, by.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _aheadTicks));
}
