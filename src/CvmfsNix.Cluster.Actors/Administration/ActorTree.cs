using Akka.Actor;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <inheritdoc cref="IActorTree"/>
internal sealed class ActorTree(CoreSystem core) : IActorTree
{
    public IReadOnlyList<string> Paths(string? start, int depth)
    {
        if (core.System is not ExtendedActorSystem system)
            throw core.Away();
        string from = start is null ? "" : "/" + start.Trim('/');
        int names = from.Count(c => c == '/') + depth;
        var paths = new List<string>();
        Add(system.Provider.SystemGuardian);
        Add(system.Provider.Guardian);
        paths.Sort(StringComparer.Ordinal);
        return paths;

        void Add(IActorRef actor)
        {
            string path = actor.Path.ToStringWithoutAddress();
            bool inside = from.Length == 0 || path == from || path.StartsWith(from + "/", StringComparison.Ordinal);
            bool above = from.StartsWith(path + "/", StringComparison.Ordinal);
            if (!(inside || above) || path.Count(c => c == '/') > names)
                return;
            if (inside)
                paths.Add(path);
            if (actor is not ActorRefWithCell parent)
                return;
            foreach (var child in parent.Children)
                Add(child);
        }
    }
}
