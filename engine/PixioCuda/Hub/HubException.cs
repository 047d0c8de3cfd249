namespace PixioCuda.Hub;

/// <summary>A model cannot be had from the hub: it is gated or not there, the hub cannot be reached, what it sent is not what it
/// promised, or the cache does not hold what an offline run needs. No message holds the token or the query of an address.</summary>
public sealed class HubException : PixioException
{
    /// <summary>Creates an exception with a message.</summary>
    public HubException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public HubException(string message, Exception innerException) : base(message, innerException) { }
}
