using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Repositories;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <inheritdoc cref="IRepositoryTags"/>
internal sealed class RepositoryTags(CoreQuestions questions, LocalRepositories local) : IRepositoryTags
{
    /// <summary>A commit may be under way, and another change of tags before this one.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan ServedTimeout = TimeSpan.FromSeconds(5);

    public async Task<IReadOnlyList<RepositoryTag>> ListAsync(string fqrn, CancellationToken ct) =>
        local.Require(fqrn).Backend is StoreBackend backend ? [.. (await backend.Store.ReadTagsAsync(ct).ConfigureAwait(false)).Where(t => TagRules.IsName(t.Name))] : [];

    public Task<TagChange> SetAsync(string fqrn, string name, ulong revision, string description, CancellationToken ct)
    {
        if (!TagRules.IsName(name))
            throw new PublishingException(PublishingCodes.InvalidRequest, "This is no name of a tag, or one the repository keeps itself.", name, "1 to 255 letters, digits and - _ . / : and not trunk or trunk-previous.");
        if (description.Length > TagRules.DescriptionLengthMax || description.Any(char.IsControl))
            throw new PublishingException(PublishingCodes.InvalidRequest, $"A description has at most {TagRules.DescriptionLengthMax} characters, none of them a control character.", name);
        var repository = local.Require(fqrn);
        return ChangeAsync(repository, new SetTag(repository.Definition.Repository, name, revision, description), ct);
    }

    public Task<TagChange> RemoveAsync(string fqrn, string name, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        return ChangeAsync(repository, new RemoveTag(repository.Definition.Repository, name), ct);
    }

    private async Task<TagChange> ChangeAsync(LocalRepository repository, ITagRequest request, CancellationToken ct)
    {
        var reply = await questions.AskAsync<Stratum0Leader>(request, AnswerTimeout, PublishingCodes.OutcomeUnknown, request.Name, ct).ConfigureAwait(false);
        if (reply is Failed failed)
            throw new PublishingException(failed.Code, failed.Message, failed.What, failed.Hint, failed.Code == PublishingCodes.NoLeader ? TimeSpan.FromSeconds(1) : null);
        var tag = (TagIs)reply;
        try
        {
            await repository.WaitForSequenceAsync(tag.SequenceNumber, ct).WaitAsync(ServedTimeout, ct).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It is in the journal all the same.
        }

        return new TagChange(tag.Tag, tag.Changed);
    }
}
