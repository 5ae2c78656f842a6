using CvmfsNix.Cluster.Node.Hosting;

return await NodeProgram.RunAsync(args, Environment.GetEnvironmentVariables(), Console.Out, Console.Error);
