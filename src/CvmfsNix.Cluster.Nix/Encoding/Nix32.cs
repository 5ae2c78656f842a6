namespace CvmfsNix.Cluster.Nix.Encoding;

/// <summary>
/// The base-32 text form of Nix: its own alphabet (digits and lower-case letters without e, o, t, u), no padding, bits
/// counted from the least significant one, the highest digit written first. It is not RFC 4648.
/// </summary>
public static class Nix32
{
    /// <summary>The 32 digits, value 0 first.</summary>
    public const string Alphabet = "0123456789abcdfghijklmnpqrsvwxyz";

    private const byte NoDigit = 0xff;
    private static readonly byte[] s_values = MakeValues();

    /// <summary>Number of digits that <paramref name="byteCount"/> bytes are written with.</summary>
    public static int EncodedLength(int byteCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        return byteCount == 0 ? 0 : checked((int)((8L * byteCount - 1) / 5 + 1));
    }

    /// <summary>The text form of <paramref name="bytes"/>; empty for no bytes.</summary>
    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        int length = EncodedLength(bytes.Length);
        if (length <= 256)
        {
            Span<char> small = stackalloc char[length];
            Encode(bytes, small);
            return new string(small);
        }

        char[] text = new char[length];
        Encode(bytes, text);
        return new string(text);
    }

    /// <summary>Writes the text form into <paramref name="destination"/>, which has exactly <see cref="EncodedLength"/> places.</summary>
    public static void Encode(ReadOnlySpan<byte> bytes, Span<char> destination)
    {
        if (destination.Length != EncodedLength(bytes.Length))
            throw new ArgumentException($"{bytes.Length} bytes take {EncodedLength(bytes.Length)} nix32 digits, not {destination.Length}.", nameof(destination));

        for (int digit = destination.Length - 1, position = 0; digit >= 0; digit--, position++)
        {
            int bit = 5 * digit;
            int index = bit >> 3;
            int shift = bit & 7;
            int value = bytes[index] >> shift;
            if (index + 1 < bytes.Length)
                value |= bytes[index + 1] << (8 - shift);
            destination[position] = Alphabet[value & 31];
        }
    }

    /// <summary>
    /// Reads exactly <paramref name="destination"/>.Length bytes. False when the length does not fit, a character is no
    /// digit, or the first digit carries bits beyond the last byte (each value has one text form only).
    /// The destination's content is undefined after false.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<char> text, Span<byte> destination)
    {
        if (text.Length != EncodedLength(destination.Length))
            return false;

        destination.Clear();
        for (int digit = 0; digit < text.Length; digit++)
        {
            char character = text[text.Length - 1 - digit];
            int value = character < s_values.Length ? s_values[character] : NoDigit;
            if (value == NoDigit)
                return false;

            int bit = 5 * digit;
            int index = bit >> 3;
            int shift = bit & 7;
            destination[index] |= (byte)(value << shift);
            int carry = value >> (8 - shift);
            if (carry == 0)
                continue;
            if (index + 1 >= destination.Length)
                return false;
            destination[index + 1] |= (byte)carry;
        }

        return true;
    }

    /// <summary>The bytes written as <paramref name="text"/>.</summary>
    /// <exception cref="FormatException">The text is not the nix32 form of any byte string.</exception>
    public static byte[] Decode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        byte[] bytes = new byte[(int)(text.Length * 5L / 8)];
        if (!TryDecode(text, bytes))
            throw new FormatException($"\"{Shorten(text)}\" is not nix32 (digits {Alphabet}, no padding).");
        return bytes;
    }

    private static string Shorten(string text) => text.Length <= 80 ? text : string.Concat(text.AsSpan(0, 80), "…");

    private static byte[] MakeValues()
    {
        byte[] values = new byte[128];
        values.AsSpan().Fill(NoDigit);
        for (int i = 0; i < Alphabet.Length; i++)
            values[Alphabet[i]] = (byte)i;
        return values;
    }
}
