using System.Runtime.Versioning;
using Xunit.Sdk;
using Xunit.v3;

// Each test runs several processes on a machine that may have two cores; side by side they would only meet their deadlines less often.
[assembly: Parallelization(Mode = ParallelMode.None)]
[assembly: SupportedOSPlatform("linux")]
