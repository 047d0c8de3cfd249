using System.Buffers.Binary;

namespace PixioCuda.Imaging.Encoded;

/// <summary>The structure of a JPEG file (ITU-T T.81): one walk over its segments and scans, up to the end of the image.</summary>
internal sealed class JpegFile
{
    // Encoders write at most about ten. Each scan of a few bytes may cost a pass over all pixels, so that a file of scans is a bomb.
    private const int MaxScans = 100;

    private readonly List<Component> _components = [];
    private readonly HashSet<int> _startedComponents = [];
    private string? _problem;
    private int _width;
    private int _height;
    private bool _isProgressive;
    private int _restartInterval;
    private int? _adobeTransform;
    private int? _orientation;
    private int _scanCount;
    private long _blocksInScan;

    /// <summary>Where the end-of-image marker ends.</summary>
    public int EndOfImage { get; private set; }

    /// <summary>Reads sizes and orientation; what is wrong behind the frame header is left to the decoder.</summary>
    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded, string name) => Walk(encoded, name).Header;

    /// <summary>Checks everything that a trusting decoder would take on faith: that the file is whole, that its scans cover all components,
    /// and that restart intervals are not missing.</summary>
    public static JpegFile CheckSound(ReadOnlySpan<byte> encoded, string name)
    {
        JpegFile file = Walk(encoded, name);
        if (file._problem is not null)
            throw ImageError.Damaged(name, file._problem);
        if (file._components.Exists(component => !file._startedComponents.Contains(component.Id)))
            throw ImageError.Damaged(name, "a color component has no scan");
        if (file._components.Count == 4 && file._adobeTransform is not (0 or 2))
            throw ImageError.Unsupported(name, "its four components carry no Adobe marker that says how they are to be read");
        return file;
    }

    private ImageHeader Header => new(ImageFormat.Jpeg, _width, _height, _orientation ?? ExifOrientation.Upright);

    private static JpegFile Walk(ReadOnlySpan<byte> encoded, string name)
    {
        JpegFile file = new();
        int position = 2;
        while (file.EndOfImage == 0)
        {
            int markerEnd = file.FindMarker(encoded, position);
            if (markerEnd < 0)
            {
                file._problem ??= "it ends before its end-of-image marker; it may be cut short";
                break;
            }

            byte marker = encoded[markerEnd - 1];
            if (marker == 0xD9)
            {
                file.EndOfImage = markerEnd;
                break;
            }

            int length = encoded.Length - markerEnd < 2 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(encoded[markerEnd..]);
            if (length < 2 || length > encoded.Length - markerEnd)
            {
                file._problem ??= $"the segment at byte {markerEnd - 2} goes past the end of the file; it may be cut short";
                break;
            }

            position = markerEnd + length;
            file.ReadSegment(marker, encoded[(markerEnd + 2)..position], name);
            if (marker == 0xDA)
                position = file.SkipScanData(encoded, position);
        }

        if (file._components.Count == 0)
            throw ImageError.Damaged(name, file._problem ?? "it holds no JPEG frame");
        return file;
    }

    /// <summary>Returns where the next marker ends, or -1 at the end of the file. Bytes that belong to no segment are a problem, not an
    /// end.</summary>
    private int FindMarker(ReadOnlySpan<byte> encoded, int position)
    {
        if (position < encoded.Length && encoded[position] != 0xFF)
            _problem ??= $"the bytes from {position} on belong to no segment";

        return FindMarkerInScan(encoded, position);
    }

    private void ReadSegment(byte marker, ReadOnlySpan<byte> payload, string name)
    {
        switch (marker)
        {
            case 0xC0 or 0xC1 or 0xC2:
                ReadFrame(payload, isProgressive: marker == 0xC2, name);
                break;
            case 0xC3 or (>= 0xC5 and <= 0xC7) or (>= 0xC9 and <= 0xCB) or (>= 0xCD and <= 0xCF):
                throw ImageError.Unsupported(name,
                    $"JPEG frames of the kind 0x{marker:X2} (lossless, hierarchical or arithmetic) are not known");
            case 0xDA:
                ReadScan(payload, name);
                break;
            case 0xDD when payload.Length == 2:
                _restartInterval = BinaryPrimitives.ReadUInt16BigEndian(payload);
                break;
            case 0xE1 when payload.StartsWith("Exif\0"u8):
                _orientation ??= ExifOrientation.FromExif(payload);
                break;
            case 0xEE when payload.StartsWith("Adobe"u8) && payload.Length >= 12:
                _adobeTransform = payload[11];
                break;
            case 0xC4 or 0xDB or 0xDC or 0xDD or (>= 0xE0 and <= 0xEF) or 0xFE:
                break;
            default:
                _problem ??= $"the marker 0x{marker:X2} has no place in it";
                break;
        }
    }

    private void ReadFrame(ReadOnlySpan<byte> payload, bool isProgressive, string name)
    {
        if (_components.Count > 0)
        {
            _problem ??= "it holds two frames";
            return;
        }

        int componentCount = payload.Length < 6 ? 0 : payload[5];
        if (componentCount is not (1 or 3 or 4) || payload.Length != 6 + 3 * componentCount)
            throw ImageError.Damaged(name, "its frame header is not one of 1, 3 or 4 components");
        if (payload[0] != 8)
            throw ImageError.Unsupported(name, $"JPEG samples of {payload[0]} bits are not known");

        _isProgressive = isProgressive;
        _height = BinaryPrimitives.ReadUInt16BigEndian(payload[1..]);
        _width = BinaryPrimitives.ReadUInt16BigEndian(payload[3..]);
        for (ReadOnlySpan<byte> entry = payload[6..]; entry.Length > 0; entry = entry[3..])
        {
            Component component = new(entry[0], entry[1] >> 4, entry[1] & 15);
            if (component.Horizontal is < 1 or > 4 || component.Vertical is < 1 or > 4)
                throw ImageError.Damaged(name, $"its frame header has a sampling factor of {component.Horizontal} x {component.Vertical}");
            _components.Add(component);
        }
    }

    private void ReadScan(ReadOnlySpan<byte> payload, string name)
    {
        if (_components.Count == 0)
            throw ImageError.Damaged(name, "its pixels come before its frame header");
        if (++_scanCount > MaxScans)
            throw ImageError.Damaged(name, $"it holds more than {MaxScans} scans");

        int count = payload.Length < 1 ? 0 : payload[0];
        if (count is < 1 or > 4 || payload.Length != 4 + 2 * count)
        {
            _problem ??= "a scan header has a wrong length";
            return;
        }

        // In a progressive file, the first scan of a component must bring its average colors; the later ones add to them.
        bool isFirstPass = !_isProgressive || (payload[1 + 2 * count] == 0 && payload[3 + 2 * count] >> 4 == 0);
        for (int i = 0; i < count; i++)
        {
            int id = payload[1 + 2 * i];
            if (isFirstPass)
                _startedComponents.Add(id);
            else if (!_startedComponents.Contains(id))
                _problem ??= "a component is refined before its first scan";
        }

        _blocksInScan = BlocksInScan(count, payload[1]);
    }

    /// <summary>How many units the restart interval counts: blocks if the scan has one component, else blocks of all components
    /// together.</summary>
    private long BlocksInScan(int componentCount, int firstId)
    {
        int horizontal = _components.Max(component => component.Horizontal), vertical = _components.Max(component => component.Vertical);
        if (componentCount > 1)
            return DivideUp(_width, 8 * horizontal) * DivideUp(_height, 8 * vertical);

        Component only = _components.Find(component => component.Id == firstId);
        long width = DivideUp((long)_width * only.Horizontal, horizontal), height = DivideUp((long)_height * only.Vertical, vertical);
        return DivideUp(width, 8) * DivideUp(height, 8);
    }

    private int SkipScanData(ReadOnlySpan<byte> encoded, int position)
    {
        long restarts = 0;
        for (bool afterRestart = false; ; afterRestart = true)
        {
            int markerEnd = FindMarkerInScan(encoded, position);
            if (markerEnd < 0)
            {
                _problem ??= "it ends within its pixels; it is cut short";
                return encoded.Length;
            }

            if (afterRestart && markerEnd == position + 2)
                _problem ??= $"the restart interval at byte {position} is empty";
            if (encoded[markerEnd - 1] is not (>= 0xD0 and <= 0xD7))
            {
                if (_restartInterval > 0 && restarts < DivideUp(_blocksInScan, _restartInterval) - 1)
                    _problem ??= $"a scan has {restarts} restart markers, fewer than its interval of {_restartInterval} asks for";
                return markerEnd - 2;
            }

            restarts++;
            position = markerEnd;
        }
    }

    /// <summary>Within a scan, 0xFF 0x00 is a data byte and 0xFF 0xFF fills.</summary>
    private static int FindMarkerInScan(ReadOnlySpan<byte> encoded, int position)
    {
        while (true)
        {
            int start = encoded[position..].IndexOf((byte)0xFF);
            if (start < 0 || position + start + 1 >= encoded.Length)
                return -1;

            position += start + 1;
            if (encoded[position] is not (0x00 or 0xFF))
                return position + 1;
        }
    }

    private static long DivideUp(long value, long divisor) => (value + divisor - 1) / divisor;

    private readonly record struct Component(int Id, int Horizontal, int Vertical);
}
