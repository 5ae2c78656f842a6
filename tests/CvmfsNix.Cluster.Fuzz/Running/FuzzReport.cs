using System.Globalization;

namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>What a run without failure tried.</summary>
/// <param name="Target">Name of the target.</param>
/// <param name="Inputs">Inputs tried.</param>
/// <param name="Accepted">Inputs that were read as something.</param>
/// <param name="Outcomes">Different ways inputs ended.</param>
/// <param name="Elapsed">Time taken.</param>
/// <param name="AllocatedShare">Largest part of the allocation bound that one input took; 1 is the bound.</param>
public sealed record FuzzReport(string Target, long Inputs, long Accepted, int Outcomes, TimeSpan Elapsed, double AllocatedShare)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Target,-14} {Inputs,10} inputs {Inputs / Math.Max(Elapsed.TotalSeconds, 1e-3),9:f0}/s {Accepted,10} accepted {Outcomes,5} outcomes, at most {AllocatedShare:p0} of the allocation bound");
}
