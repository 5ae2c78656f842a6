using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Repositories;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>Tags: set and removed between two commits, each change an event of its own.</content>
internal sealed partial class RepositoryWriter
{
    private const int TagRequestsMax = 100;

    private sealed record TagPrepared(long Attempt, ITagEvent Event, RepositoryTag Tag);

    private sealed record TagUnchanged(long Attempt, RepositoryTag Tag);

    private sealed record TagFailed(long Attempt, Exception Cause);

    private readonly Queue<(ITagRequest Request, IActorRef Asker)> _tagRequests = new();
    private (ITagRequest Request, IActorRef Asker)? _tagInWork;

    private void TakeTags()
    {
        Command<ITagRequest>(request =>
        {
            if (_phase == Phase.Starting || _tagRequests.Count >= TagRequestsMax)
            {
                Sender.Tell(_phase == Phase.Starting
                    ? new Failed(PublishingCodes.NoLeader, _problem, _definition.Repository.Value, "Try again; it is safe.")
                    : new Failed(PublishingCodes.Overloaded, "Too many changes of tags wait.", request.Name, "Try again later."));
                return;
            }

            _tagRequests.Enqueue((request, Sender));
            TryPrepare();
        });
        Command<TagPrepared>(prepared => prepared.Attempt == _attempt, AppendTag);
        Command<TagUnchanged>(same => same.Attempt == _attempt, same => AnswerTag(new TagIs(same.Tag, false, LastSequenceNr)));
        Command<TagFailed>(failed => failed.Attempt == _attempt, failed =>
        {
            if (failed.Cause is not TagRefusedException)
                _log.Error(failed.Cause, "{0}: the tag {1} could not be changed", _definition.Repository, _tagInWork?.Request.Name);
            AnswerTag(Refusal(failed.Cause, _tagInWork?.Request.Name ?? ""));
        });
        Command<TagPrepared>(_ => { });
        Command<TagUnchanged>(_ => { });
        Command<TagFailed>(_ => { });
    }

    // True when a change of tags is under way now.
    private bool TryChangeTags()
    {
        if (!_tagRequests.TryDequeue(out var next))
            return false;
        _tagInWork = next;
        _phase = Phase.Preparing;
        var attempt = ++_attempt;
        var state = _state;
        var now = Now;
        Run(() => ChangeAsync(next.Request, state, now)).PipeTo(
            Self,
            success: change => change.Event is { } e ? new TagPrepared(attempt, e, change.Tag) : new TagUnchanged(attempt, change.Tag),
            failure: e => new TagFailed(attempt, e));
        return true;
    }

    private async Task<(ITagEvent? Event, RepositoryTag Tag)> ChangeAsync(ITagRequest request, RepositoryState state, DateTimeOffset now)
    {
        if (CommitTime.Obstacle(state, now) is { } obstacle)
            throw new TagRefusedException(obstacle.Code, obstacle.Message);
        var head = state.Head!;
        var present = head.NamedTags.FirstOrDefault(t => t.Name == request.Name);
        var backend = _local!.Backend;
        if (request is RemoveTag)
        {
            if (present is null)
                throw new TagRefusedException(PublishingCodes.UnknownTag, $"{_definition.Repository} has no tag {request.Name}.");
            var left = await backend.PrepareTagsAsync(head, TagRules.Without(head.NamedTags, request.Name), now, _stopping.Token).ConfigureAwait(false);
            return (new TagRemoved(request.Name, left, now), present);
        }

        var set = (SetTag)request;
        var wanted = await FindAsync(set.Revision == 0 ? head.Revision : set.Revision, state).ConfigureAwait(false);
        var tag = wanted with { Name = set.Name, Description = set.Description.Length > 0 ? set.Description : present?.Description ?? "" };
        if (tag == present)
            return (null, tag);
        if (present is null && head.NamedTags.Count >= TagRules.TagsMax)
            throw new TagRefusedException(PublishingCodes.InvalidRequest, $"{_definition.Repository} has {head.NamedTags.Count} tags already, the most there may be. Remove one first.");
        var made = await backend.PrepareTagsAsync(head, TagRules.With(head.NamedTags, tag), now, _stopping.Token).ConfigureAwait(false);
        return (new TagSet(tag, made, now), tag);
    }

    private async Task<RepositoryTag> FindAsync(ulong revision, RepositoryState state)
    {
        if (TagRules.Find(state.Head!, revision) is { } known)
            return known;
        if (revision < state.Head!.Revision)
        {
            await foreach (var (_, @event) in _settings.Journal.ReadAsync(PersistenceId, 1, _stopping.Token).ConfigureAwait(false))
            {
                var head = @event switch
                {
                    RepositoryCreated e => e.Initial.Head,
                    RevisionCommitted e => e.Revision.Head,
                    _ => null,
                };
                if (head?.Revision != revision)
                    continue;
                if (!state.IsAlive(head.RootHash, revision))
                    throw new TagRefusedException(PublishingCodes.UnknownRevision, $"The catalogs of revision {revision} of {_definition.Repository} were collected some time after it was superseded, or paths of it were removed for good.");
                return new RepositoryTag("", head.RootHash, head.Revision, head.PublishedAt, head.RootSize, "");
            }
        }

        throw new TagRefusedException(PublishingCodes.UnknownRevision, $"{_definition.Repository} has no revision {revision}; the newest is {state.Head!.Revision}.");
    }

    private void AppendTag(TagPrepared prepared)
    {
        _phase = Phase.Appending;
        PersistAsync((IRepositoryEvent)prepared.Event, e =>
        {
            Written(e);
            Announce();
            AnswerTag(new TagIs(prepared.Tag, true, LastSequenceNr));
        });
    }

    private void AnswerTag(object answer)
    {
        _tagInWork?.Asker.Tell(answer);
        _tagInWork = null;
        _phase = Phase.Idle;
        TryPrepare();
    }

    private static Failed Refusal(Exception cause, string tag) => cause switch
    {
        TagRefusedException e => new Failed(e.Code, e.Message, tag, "cvmfsnix tag list shows the tags there are, and cvmfsnix repo show the newest revision."),
        Copies.TooFewCopiesException => new Failed(PublishingCodes.TooFewCopies, cause.Message, tag, "Bring stores back, or wait until they are; repeating the command is safe."),
        _ => new Failed(PublishingCodes.OutcomeUnknown, $"The tag could not be changed: {cause.Message}", tag, "Try again; it is safe."),
    };

    private sealed class TagRefusedException(string code, string message) : Exception(message)
    {
        public string Code => code;
    }
}
