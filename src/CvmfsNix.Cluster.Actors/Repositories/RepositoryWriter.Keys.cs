using Akka.Actor;
using Akka.Event;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>
/// The change from one signing key to the next, see <see cref="KeyRotation"/>: a step whenever an operator asks, each an event of its own, so that a
/// leader that dies on the way loses nothing, and whoever asks the next one goes on from there.
/// </content>
internal sealed partial class RepositoryWriter
{
    /// <summary>To the leader: which key signs, where it is not the one of the definition.</summary>
    internal sealed record SigningKeyIs(RepositoryId Repository, ObjectHash Certificate);

    private sealed record KeyPrepared(long Attempt, KeyRotated Event, IActorRef Asker, TimeSpan Caches);

    private sealed record KeyFailed(long Attempt, Exception Cause, IActorRef Asker);

    private void TakeKeys()
    {
        Command<RotateKey>(Rotate);
        Command<KeyPrepared>(prepared => prepared.Attempt == _attempt, AppendKey);
        Command<KeyFailed>(failed => failed.Attempt == _attempt, failed =>
        {
            _log.Error(failed.Cause, "{0}: the next key cannot sign yet", _definition.Repository);
            failed.Asker.Tell(failed.Cause switch
            {
                KeyNotEverywhereException => new Failed(
                    PublishingCodes.KeysMissing, failed.Cause.Message, _definition.Repository.Value, "Copy the pair into the key folders of all core nodes, and ask again; nothing has changed yet."),
                Copies.TooFewCopiesException => new Failed(PublishingCodes.TooFewCopies, failed.Cause.Message, _definition.Repository.Value, "Bring stores back, and ask again."),
                _ => new Failed(PublishingCodes.OutcomeUnknown, $"The next key cannot sign yet: {failed.Cause.Message}", _definition.Repository.Value, "Ask again; it is safe."),
            });
            _phase = Phase.Idle;
            TryPrepare();
        });
        Command<KeyPrepared>(_ => { });
        Command<KeyFailed>(_ => { });
    }

    private void TellSigningKey()
    {
        if (_state.KeyChanges.Count > 0)
            _settings.Leader.Tell(new SigningKeyIs(_definition.Repository, _state.Certificate!.Value));
    }

    private void Rotate(RotateKey request)
    {
        // What clients accept is read from the store: it must have what the journal has.
        if (_phase != Phase.Idle || _local!.Backend.AppliedSequence < LastSequenceNr)
        {
            Sender.Tell(Busy());
            return;
        }

        SigningKeys keys;
        try
        {
            keys = _local.Backend.SigningKeys();
        }
        catch (KeyFileException e)
        {
            Sender.Tell(new Failed(PublishingCodes.KeysMissing, e.Message, _definition.Repository.Value, "Bring the key files back."));
            return;
        }

        (KeyRotationStep step, DateTimeOffset notBefore) = KeyRotation.Decide(_state, keys, request.Caches, Now);
        switch (step)
        {
            case KeyRotationStep.ListNext:
                Relist(KeyRotationStage.Listed, request.Caches, keys.Next!, f => f.Contains(keys.Next!), KeyRotation.AlsoListed(_state, Now), "and names the next certificate too: both .crt files have to be there");
                break;
            case KeyRotationStep.AwaitListed:
                Sender.Tell(new KeyRotationIs(KeyRotationStage.Listed, notBefore, keys.Next!, LastSequenceNr));
                break;
            case KeyRotationStep.Sign:
                Sign(request);
                break;
            case KeyRotationStep.AwaitSigned:
                Sender.Tell(new KeyRotationIs(KeyRotationStage.Signing, notBefore, keys.Present, LastSequenceNr));
                break;
            case KeyRotationStep.Unlist:
                Relist(KeyRotationStage.Done, TimeSpan.Zero, keys.Present, f => f.All(x => x == keys.Present), null, "without the old certificate: only the .crt file of the present key has to be there");
                break;
            case KeyRotationStep.Done:
                Sender.Tell(new KeyRotationIs(KeyRotationStage.Done, notBefore, keys.Present, LastSequenceNr));
                break;
            default:
                Sender.Tell(new Failed(
                    PublishingCodes.KeysMissing, $"There is no pair of {_definition.Repository} that came after the one that signs now, {keys.Present}.", _definition.Repository.Value,
                    $"Make one (cvmfsnix key create {_definition.Repository} --next --keys DIR), bring it to the key folders of all core nodes, and ask again."));
                break;
        }
    }

    private void Relist(KeyRotationStage stage, TimeSpan caches, string fingerprint, Func<IReadOnlyList<string>, bool> wanted, ObjectHash? also, string how)
    {
        FreshWhitelist? fresh = _local!.Backend.SignWhitelist(Now, also);
        if (fresh is null)
        {
            Sender.Tell(NoWhitelist());
            return;
        }

        if (!wanted(fresh.Fingerprints))
        {
            Sender.Tell(new Failed(
                PublishingCodes.KeysMissing, $"{_definition.Repository}.whitelist in the key folder, signed elsewhere, names {string.Join(" and ", fresh.Fingerprints)}.", _definition.Repository.Value,
                $"Sign one where the master key is (cvmfsnix key whitelist sign) {how}."));
            return;
        }

        Replace(fresh, e => new KeyRotationIs(stage, e.At + caches, fingerprint, LastSequenceNr));
    }

    private void Sign(RotateKey request)
    {
        if (CommitTime.Obstacle(_state, Now) is { } obstacle)
        {
            Sender.Tell(new Failed(obstacle.Code, obstacle.Message, _definition.Repository.Value, "Ask again when it is over."));
            return;
        }

        _phase = Phase.Preparing;
        var (attempt, asker, head, backend, now) = (++_attempt, Sender, _state.Head!, _local!.Backend, Now);
        Run(() => backend.PrepareKeyAsync(head, request.By, now, _stopping.Token)).PipeTo(
            Self, success: e => new KeyPrepared(attempt, e, asker, request.Caches), failure: e => new KeyFailed(attempt, e, asker));
    }

    private void AppendKey(KeyPrepared prepared)
    {
        _phase = Phase.Appending;
        PersistAsync(prepared.Event, e =>
        {
            Written(e);
            Announce();
            if (_local!.Backend.KeyProblem(e.Certificate) is { } problem)
            {
                // It went away since it signed. Started again, this writer says so, and another node may lead.
                _log.Error("{0}: {1}", _definition.Repository, problem);
                Context.Stop(Self);
                return;
            }

            TellSigningKey();
            _log.Warning("{0}: {1} has another key sign from here on, certificate object {2}", _definition.Repository, e.By, e.Certificate);
            prepared.Asker.Tell(new KeyRotationIs(KeyRotationStage.Signing, e.At + prepared.Caches, _local.Backend.SigningKeys().Present, LastSequenceNr));
            _phase = Phase.Idle;
            TryPrepare();
        });
    }
}
