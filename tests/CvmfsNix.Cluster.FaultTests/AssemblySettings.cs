using System.Runtime.Versioning;
using Xunit.Sdk;
using Xunit.v3;

// Each test runs several processes and waits a good part of its time for clocks and disks, so two classes at a time use a machine of two cores
// well; more would only make them meet their deadlines less often.
[assembly: Parallelization(Mode = ParallelMode.Collections, MaxThreads = 2)]
[assembly: SupportedOSPlatform("linux")]
