using Microsoft.Extensions.DependencyInjection;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>Registers the actor system of a core node.</summary>
public static class CoreHosting
{
    /// <summary>Adds the actor system <c>cvmfsnix</c> as a hosted service, and <see cref="IPublishingCore"/> over it.</summary>
    public static IServiceCollection AddCvmfsNixCore(this IServiceCollection services, CoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        return services.AddSingleton(options);
    }
}
