namespace CvmfsNix.Cluster.Cli.Running;

/// <summary>Finds out which setting of a machine forbids user namespaces, for a message that names it.</summary>
internal static class WhyNot
{
    /// <summary>One sentence for each setting found that stands in the way; none where the reason is not known.</summary>
    /// <param name="read">Reads a file; null where it cannot be read.</param>
    public static IReadOnlyList<string> UserNamespaces(Func<string, string?> read)
    {
        List<string> reasons = [];
        if (Is("/proc/sys/kernel/unprivileged_userns_clone", "0"))
            reasons.Add("sysctl kernel.unprivileged_userns_clone is 0: the administrator can allow them with kernel.unprivileged_userns_clone=1.");
        if (Is("/proc/sys/user/max_user_namespaces", "0"))
            reasons.Add("sysctl user.max_user_namespaces is 0: the administrator can allow them with user.max_user_namespaces=15000.");
        if (Is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
            reasons.Add("AppArmor restricts them (sysctl kernel.apparmor_restrict_unprivileged_userns is 1): the administrator can set it to 0, or give unshare a profile that allows userns.");
        if (read("/proc/self/status") is { } status && status.Split('\n').Any(static line => line.StartsWith("Seccomp:", StringComparison.Ordinal) && line.EndsWith('2')))
            reasons.Add("A system call filter is on, as container runtimes have it: start the container with a seccomp profile that allows unshare and mount, or with --security-opt seccomp=unconfined.");
        return reasons;

        bool Is(string file, string value) => read(file)?.Trim() == value;
    }

    /// <summary>Reads a small file of the kernel; null where it cannot be read.</summary>
    public static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
