using Akka.Actor;
using Akka.Cluster.Tools.PublishSubscribe;
using Akka.Event;
using Akka.Persistence;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CreateRepository = CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol.CreateRepository;
using Microsoft.Extensions.Logging;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Leadership;

/// <summary>
/// The cluster's one leader: knows which repositories there are and runs a writer for each. It holds nothing that it could not read back, and
/// may overlap with another leader for a moment: every effect goes through an append that only one of them wins.
/// </summary>
internal sealed class Stratum0Leader : ReceivePersistentActor
{
    /// <summary>Name of the singleton.</summary>
    public const string Name = "stratum0-leader";

    /// <summary>Topic of <see cref="RegistryChanged"/>.</summary>
    public const string RegistryTopic = "registry";

    /// <summary>A leadership that lasted this long may be given away for want of disk space.</summary>
    private static readonly TimeSpan TenureMin = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan StatusTimeout = TimeSpan.FromSeconds(1);

    private sealed record Defined(RepositoryDefinition Definition, IActorRef Asker);

    private sealed record DefineFailed(RepositoryId Repository, Exception Cause, IActorRef Asker);

    private readonly WriterSettings _template;
    private readonly Tenure _tenure;
    private readonly Dictionary<RepositoryId, IActorRef> _writers = [];
    private readonly Dictionary<RepositoryId, List<IActorRef>> _creators = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly IActorRef _mediator = DistributedPubSub.Get(Context.System).Mediator;
    private RegistryState _state = RegistryState.Empty;
    private string _lastLeader = "";

    /// <param name="template">Settings of writers; epoch and leader are filled in here.</param>
    /// <param name="tenure">What is remembered when this actor is started again after a failed write.</param>
    public Stratum0Leader(WriterSettings template, Tenure tenure)
    {
        _template = template;
        _tenure = tenure;
        JournalPluginId = JournalPlugins.Writer;

        Recover<IRegistryEvent>(Apply);
        Recover<SnapshotOffer>(offer => _state = (RegistryState)offer.Snapshot);
        Recover<RecoveryCompleted>(_ => TakeOver());

        Command<Enqueue>(m => Forward(m.Repository, m));
        Command<Settled>(m => Forward(m.Repository, m));
        Command<ITagRequest>(m => Forward(m.Repository, m));
        Command<RetentionProtocol.IRetentionRequest>(m => Forward(m.Repository, m));
        Command<CreateRepository>(Create);
        Command<Defined>(Register);
        Command<DefineFailed>(failed => Refuse(failed.Asker, CodeOf(failed.Cause), failed.Cause.Message, failed.Repository));
        Command<RepositoryWriter.Ready>(ready =>
        {
            if (_creators.Remove(ready.Status.Repository, out var askers))
                askers.ForEach(a => a.Tell(new CreatedRepository(ready.Status)));
        });
        Command<RepositoryWriter.LeadershipLost>(lost => End($"the leader of epoch {lost.Epoch} ({lost.Node}) wrote to the journal of {lost.Repository}"));
        Command<RepositoryWriter.CannotLead>(unfit =>
        {
            // Somebody else may have the key. Alone, this node at least leads the other repositories.
            if (HasOthers)
                End(unfit.Problem);
        });
        Command<RepositoryWriter.HasNoSpace>(full =>
        {
            // When all disks are full the leadership must not go round and round.
            if (HasOthers && _template.Clock.GetElapsedTime(_tenure.Began) >= TenureMin)
                End($"the disk of this node is full, and the commits of {full.Repository} need space: {full.Problem}");
        });
        Command<GetQueue>(m => Forward(m.Repository, m));
        Command<RenewWhitelist>(m => Forward(m.Repository, m));
        Command<RotateKey>(m => Forward(m.Repository, m));
        Command<RepositoryWriter.SigningKeyIs>(key =>
        {
            if (_state.Repositories.TryGetValue(key.Repository.Value, out var definition) && _state.CertificateOf(definition) != key.Certificate)
                Persist(new SigningKeyNoted(key.Repository, key.Certificate, Now), Apply);
        });
        Command<Resign>(HandOver);
        Command<GetLeaderStatus>(_ => Report(Sender));
        Command<GetWriterState>(m => Forward(m.Repository, m));
    }

    public override string PersistenceId => PersistenceIds.Registry;

    private static bool HasOthers => Akka.Cluster.Cluster.Get(Context.System).State.Members.Count(m => m.Status == Akka.Cluster.MemberStatus.Up) > 1;

    private DateTimeOffset Now => _template.Clock.GetUtcNow();

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Apply(IRegistryEvent @event)
    {
        _state = _state.Apply(@event);
        if (@event is LeadershipTaken taken)
            _lastLeader = taken.Node;
    }

    // One tenure takes one epoch. Started again after a failed write it goes on under its own epoch, and never under a new one when
    // another leader has taken over meanwhile: who leads is the singleton manager's decision.
    private void TakeOver()
    {
        if (_tenure.Epoch is { } epoch && _state.Epoch >= epoch)
        {
            if (_state.Epoch == epoch && _lastLeader == _template.Node)
                Lead();
            else
                End($"the leader of epoch {_state.Epoch} ({_lastLeader}) has taken over");
            return;
        }

        _tenure.Epoch = _state.Epoch + 1;
        Persist(new LeadershipTaken(_state.Epoch + 1, _template.Node, Now), e =>
        {
            Apply(e);
            Lead();
        });
    }

    private void Lead()
    {
        _template.Log.LogInformation("This node leads, epoch {Epoch}, {Repositories} repositories", _state.Epoch, _state.Repositories.Count);
        foreach (var definition in _state.Repositories.Values)
            StartWriter(definition);
    }

    // The leadership ends here and now; the node leaves the cluster, so that the singleton manager makes another leader, and joins again.
    private void End(string why)
    {
        _log.Error("The leadership of epoch {0} (this node) is over: {1}", _tenure.Epoch ?? _state.Epoch, why);
        foreach (var writer in _writers.Values)
            Context.Stop(writer);
        _writers.Clear();
        CoordinatedShutdown.Get(Context.System).Run(new LeadershipEnded(why));
    }

    private void HandOver(Resign resign)
    {
        if (!HasOthers)
        {
            Sender.Tell(new Failed(PublishingCodes.InvalidRequest, "There is no other member that could lead.", _template.Node, "Start more core nodes first."));
            return;
        }

        Sender.Tell(new Resigning(_state.Epoch, _template.Node));
        End(resign.Why);
    }

    private void Create(CreateRepository command)
    {
        var repository = command.Definition.Repository;
        if (_state.Contains(repository))
        {
            Refuse(Sender, PublishingCodes.RepositoryExists, $"The repository {repository} exists.", repository);
            return;
        }

        var asker = Sender;
        _template.Local.Backends.DefineAsync(command.Definition, Now, CancellationToken.None).PipeTo(
            Self, success: d => new Defined(d, asker), failure: e => new DefineFailed(repository, e, asker));
    }

    private void Register(Defined defined)
    {
        var repository = defined.Definition.Repository;
        if (_state.Contains(repository))
        {
            Refuse(defined.Asker, PublishingCodes.RepositoryExists, $"The repository {repository} exists.", repository);
            return;
        }

        Persist(new RepositoryRegistered(defined.Definition, Now), e =>
        {
            Apply(e);
            _creators[repository] = [defined.Asker];
            StartWriter(e.Definition);
            _mediator.Tell(new Publish(RegistryTopic, new RegistryChanged(LastSequenceNr)));
        });
    }

    private void StartWriter(RepositoryDefinition definition)
    {
        var settings = _template with { Epoch = _state.Epoch, Leader = Self };
        // A writer stops itself whenever an append fails; its supervisor outside starts it again, and it reads what the journal holds.
        Props writer = CoreHosting.Supervised(Props.Create(() => new RepositoryWriter(definition, settings)), "writer");
        _writers[definition.Repository] = Context.ActorOf(writer, $"repository-{definition.Repository}");
    }

    private void Forward(RepositoryId repository, object message)
    {
        if (_writers.TryGetValue(repository, out var writer))
            writer.Forward(message);
    }

    private void Report(IActorRef asker)
    {
        var epoch = _state.Epoch;
        var node = _template.Node;
        var questions = _writers.Select(w => AskAsync(w.Key, w.Value)).ToList();
        Task.WhenAll(questions).PipeTo(asker, Self, success: writers => new LeaderStatus(epoch, node, writers));
        return;

        static async Task<WriterStatus> AskAsync(RepositoryId repository, IActorRef writer)
        {
            try
            {
                return await writer.Ask<WriterStatus>(new RepositoryWriter.GetStatus(), StatusTimeout).ConfigureAwait(false);
            }
            catch (Exception e) when (e is AskTimeoutException or TaskCanceledException)
            {
                return new WriterStatus(repository, 0, 0, "", DateTimeOffset.UnixEpoch, 0, DateTimeOffset.UnixEpoch, 0, 0, "The writer does not answer; it is being started.");
            }
        }
    }

    private static string CodeOf(Exception cause) => cause switch
    {
        ArgumentException or FormatException => PublishingCodes.InvalidRequest,
        _ when PublishingCodes.IsDiskFull(cause) => PublishingCodes.DiskFull,
        _ => PublishingCodes.KeysMissing,
    };

    private static void Refuse(IActorRef asker, string code, string message, RepositoryId repository) =>
        asker.Tell(new Failed(code, message, repository.Value, code == PublishingCodes.RepositoryExists ? "Choose another name, or use the one that is there." : "Correct the cause and try again."));
}
