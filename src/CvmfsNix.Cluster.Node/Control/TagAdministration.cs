using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Node.Gateway;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>Shows and changes tags, as operators ask for it.</summary>
public sealed class TagAdministration(IRepositoryTags tags, ILogger<TagAdministration> log)
{
    public async Task<ListTagsReply> ListAsync(ListTagsRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        var reply = new ListTagsReply();
        reply.Tags.AddRange((await tags.ListAsync(repository, ct)).Select(t => ToMessage(repository, t)));
        return reply;
    }

    public async Task<TagReply> SetAsync(SetTagRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        return Reply(repository, await tags.SetAsync(repository, request.Name, request.Revision, request.Description, ct), "set");
    }

    public async Task<TagReply> RemoveAsync(RemoveTagRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        return Reply(repository, await tags.RemoveAsync(repository, request.Name, ct), "removed");
    }

    private TagReply Reply(string repository, TagChange change, string verb)
    {
        if (change.Changed)
            log.LogInformation("{Repository}: the tag {Tag} of revision {Revision} was {Verb}", repository, change.Tag.Name, change.Tag.Revision, verb);
        return new TagReply { Tag = ToMessage(repository, change.Tag), Changed = change.Changed };
    }

    private static TagInfo ToMessage(string repository, RepositoryTag tag) => new()
    {
        Repository = repository,
        Name = tag.Name,
        Revision = tag.Revision,
        RootHash = tag.RootHash.ToString(),
        At = tag.At.ToUnixTimeSeconds(),
        Description = tag.Description,
    };
}
