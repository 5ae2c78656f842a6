using Akka.Actor;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>Has the leader create repositories, over the loss of leaders.</summary>
internal sealed class RepositoryCreation(CoreQuestions questions, RepositoryViews views, LocalRepositories local, StoreCopies copies, CoreOptions options, TimeProvider clock)
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CreateTimeout = TimeSpan.FromSeconds(30);

    /// <inheritdoc cref="IPublishingCore.CreateRepositoryAsync"/>
    public async Task<RepositoryView> CreateAsync(CreateRepository command, CancellationToken ct)
    {
        if (!RepositoryId.TryParse(command.Repository, out var repository))
            throw new PublishingException(PublishingCodes.InvalidRepositoryName, $"'{command.Repository}' is no repository name.", command.Repository, "Use 1 to 60 letters, digits, dots, dashes or underscores, as in nix.example.org.");
        await CopyConfirmation.CopiedAsync(command.Repository, async () =>
        {
            await copies.WaitForStoresAsync(options.CopiesTimeout, ct).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        var request = new RepositoryProtocol.RepositoryDefinitionRequest(repository, command.StoreDirectory, HashNames.Of(command.HashAlgorithm)) { NixDatabase = command.NixDatabase };
        var reply = await AskToCreateAsync(new RepositoryProtocol.CreateRepository(request), command.Repository, ct).ConfigureAwait(false);
        if (reply is RepositoryProtocol.Failed failed)
            throw new PublishingException(failed.Code, failed.Message, failed.What, failed.Hint);
        var status = (reply as RepositoryProtocol.CreatedRepository)?.Status;
        while (local.Find(command.Repository) is null)
            await Task.Delay(10, ct).ConfigureAwait(false);
        await local.Require(command.Repository).WaitForRevisionAsync(1, ct).ConfigureAwait(false);
        return status is null ? await views.GetAsync(command.Repository, ct).ConfigureAwait(false) : views.View(local.Find(command.Repository)!, status);
    }

    // A leader that is lost while it creates answers nobody. Its successor is asked again; "exists" may then mean what was asked for first.
    private async Task<object> AskToCreateAsync(RepositoryProtocol.CreateRepository command, string fqrn, CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(CreateTimeout, clock);
        for (bool asked = false; ; asked = true)
        {
            try
            {
                var reply = await questions.AskAsync<Stratum0Leader>(command, AnswerTimeout, ct).ConfigureAwait(false);
                return asked && reply is RepositoryProtocol.Failed { Code: PublishingCodes.RepositoryExists } ? new object() : reply;
            }
            catch (AskTimeoutException e) when (deadline.IsCancellationRequested)
            {
                throw new PublishingException(PublishingCodes.NoLeader, $"Nobody answered within {CreateTimeout.TotalSeconds:0} s.", fqrn, "Try again; it is safe.", TimeSpan.FromSeconds(1), e);
            }
            catch (AskTimeoutException)
            {
                // Asked again below.
            }
        }
    }
}
