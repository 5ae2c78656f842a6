using System.Runtime.Versioning;
using Xunit.Sdk;
using Xunit.v3;

// Nix and nodes run beside the tests on a machine that may have two cores; side by side they would only be slower.
[assembly: Parallelization(Mode = ParallelMode.None)]
[assembly: SupportedOSPlatform("linux")]
