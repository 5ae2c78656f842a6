using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>What a receiver needs besides its messages.</summary>
/// <param name="Options">Of the mirror.</param>
/// <param name="Mirror">Where it says how it stands.</param>
/// <param name="Engines">Makes what fetches and verifies.</param>
/// <param name="Journal">Reads its own history, when the index was lost.</param>
/// <param name="Clock">The time.</param>
/// <param name="Log">For people.</param>
internal sealed record ReceiverSettings(MirrorOptions Options, Mirror Mirror, MirrorEngines Engines, IJournalReader Journal, TimeProvider Clock, ILogger Log);
