using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <content>What operators ask.</content>
public sealed partial class ClusterSerializer
{
    private static Rule[] AdministrationRules() =>
    [
        Of<ListTransactions, Wire.AdministrationMessage>(
            "ol", m => new() { Repository = m.Repository.Value, Bucket = m.Bucket, Max = m.Max }, w => new(RepositoryId.Parse(w.Repository), w.Bucket, w.Max)),
        Of<TransactionsAre, Wire.TransactionsAre>("om", ListToWire, w => new(w.Bucket, [.. w.Transactions.Select(ListedFromWire)])),
        Of<GetQueue, Wire.AdministrationMessage>("oq", m => new() { Repository = m.Repository.Value }, w => new(RepositoryId.Parse(w.Repository))),
        Of<QueueIs, Wire.QueueIs>("oi", QueueToWire, w => new([.. w.Transactions.Select(WaitingFromWire)])),
        Of<Resign, Wire.AdministrationMessage>("or", m => new() { Text = m.Why }, w => new(w.Text)),
        Of<Resigning, Wire.AdministrationMessage>("og", m => new() { Epoch = m.Epoch, Text = m.Node }, w => new(w.Epoch, w.Text)),
        Of<RenewWhitelist, Wire.AdministrationMessage>("ow", m => new() { Repository = m.Repository.Value }, w => new(RepositoryId.Parse(w.Repository))),
        Of<WhitelistIs, Wire.AdministrationMessage>("ox", m => new() { At = Ticks(m.ExpiresAt), SequenceNumber = m.SequenceNumber }, w => new(Time(w.At), w.SequenceNumber)),
        Of<RotateKey, Wire.AdministrationMessage>(
            "ok", m => new() { Repository = m.Repository.Value, Text = m.By, Time = m.Caches.Ticks }, w => new(RepositoryId.Parse(w.Repository), w.Text, new TimeSpan(w.Time))),
        Of<KeyRotationIs, Wire.AdministrationMessage>(
            "oj",
            m => new() { Stage = (int)m.Stage, At = Ticks(m.NextAt), Text = m.Fingerprint, SequenceNumber = m.SequenceNumber },
            w => new((KeyRotationStage)w.Stage, Time(w.At), w.Text, w.SequenceNumber)),
    ];

    private static Wire.TransactionsAre ListToWire(TransactionsAre m)
    {
        var wire = new Wire.TransactionsAre { Bucket = m.Bucket };
        wire.Transactions.AddRange(m.Transactions.Select(t => new Wire.ListedTransaction
        {
            Transaction = ToWire(t.Transaction),
            Status = (int)t.Status,
            Outcome = t.Outcome is { } outcome ? ToWire(outcome) : null,
        }));
        return wire;
    }

    private static ListedTransaction ListedFromWire(Wire.ListedTransaction t) =>
        new(FromWire(t.Transaction), (TransactionStatus)t.Status, t.Outcome is { } outcome ? FromWire(outcome) : null);

    private static Wire.QueueIs QueueToWire(QueueIs m)
    {
        var wire = new Wire.QueueIs();
        wire.Transactions.AddRange(m.Transactions.Select(t => new Wire.WaitingTransaction
        {
            Transaction = ToWire(t.Transaction),
            ArrivedAt = Ticks(t.ArrivedAt),
            Tries = t.Tries,
            State = t.State,
        }));
        return wire;
    }

    private static WaitingTransaction WaitingFromWire(Wire.WaitingTransaction t) => new(FromWire(t.Transaction), Time(t.ArrivedAt), t.Tries, t.State);
}
