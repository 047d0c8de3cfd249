using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace PixioCuda.Weights.PyTorch;

/// <summary>
/// Python's pickle format, as far as a state dict needs it (what torch.save writes with protocols 2 to 5). A pickle is a program for a
/// stack machine; this one knows plain values, containers, and the few names of <see cref="TorchGlobals"/>. It can call nothing else,
/// whatever the file says, and refuses what it does not know by its name. The work is bounded by a number of instructions, the memory by
/// that and the length of the pickle: containers that are named again and again are the same object, and are never walked through here.
/// </summary>
internal ref struct PickleReader
{
    /// <summary>The longest pickle that is read; a state dict of a thousand tensors takes about 200 KB.</summary>
    public const int MaxBytes = 1 << 24;

    /// <summary>The most instructions that are followed; a tensor takes about 45.</summary>
    public const int MaxInstructions = 1_000_000;

    private const int HighestProtocol = 5;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> _pickle;
    private readonly string _path;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _position;

    private PickleReader(ReadOnlySpan<byte> pickle, string path)
    {
        _pickle = pickle;
        _path = path;
    }

    /// <summary>Reads the value that a pickle describes.</summary>
    /// <param name="pickle">The whole pickle.</param>
    /// <param name="path">The checkpoint, for messages.</param>
    /// <exception cref="ModelFormatException">The pickle is damaged, or asks for something that a state dict does not need.</exception>
    public static object? Read(ReadOnlySpan<byte> pickle, string path) => new PickleReader(pickle, path).Run();

    private object? Run()
    {
        for (int instruction = 0; instruction < MaxInstructions; instruction++)
        {
            var opcode = (PickleOpcode)Take(1)[0];
            if (opcode == PickleOpcode.Stop)
                return _marks.Count == 0 && _stack.Count == 1 ? _stack[0] : throw Damaged("ends with other than one value");
            Follow(opcode);
        }

        throw Damaged($"has more than {MaxInstructions} instructions, far more than a state dict needs");
    }

    private void Follow(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Proto:
                byte protocol = Take(1)[0];
                if (protocol is < 2 or > HighestProtocol)
                    throw Damaged($"is of protocol {protocol}; 2 to {HighestProtocol} can be read");
                break;
            case PickleOpcode.Frame:
                // The length of what follows, for readers of streams.
                Take(sizeof(ulong));
                break;
            case PickleOpcode.Mark:
                _marks.Add(_stack.Count);
                break;
            case PickleOpcode.Global:
                _stack.Add(TorchGlobals.Find(TakeLine(), TakeLine(), _path));
                break;
            case PickleOpcode.StackGlobal:
                string name = Pop<string>(), module = Pop<string>();
                _stack.Add(TorchGlobals.Find(module, name, _path));
                break;
            case PickleOpcode.Reduce:
                PickleTuple arguments = Pop<PickleTuple>();
                _stack.Add(TorchGlobals.Call(Pop<PickleGlobal>(), arguments.Items, _path));
                break;
            case PickleOpcode.BinPersId:
                _stack.Add(TorchGlobals.Storage(Pop<PickleTuple>().Items, _path));
                break;
            case PickleOpcode.Build:
                // An OrderedDict's attributes: torch keeps the versions of modules there, which say nothing about the values.
                Pop<PickleDict>();
                if (Top() is not PickleDict)
                    throw Damaged("gives attributes to something that has none");
                break;
            default:
                if (!FollowValue(opcode) && !FollowContainer(opcode) && !FollowMemo(opcode))
                    throw Damaged($"has the instruction 0x{(byte)opcode:X2} at byte {_position - 1}, which no state dict needs");
                break;
        }
    }

    private bool FollowValue(PickleOpcode opcode)
    {
        object? value;
        switch (opcode)
        {
            case PickleOpcode.None:
                value = null;
                break;
            case PickleOpcode.NewTrue or PickleOpcode.NewFalse:
                value = opcode == PickleOpcode.NewTrue;
                break;
            case PickleOpcode.BinInt:
                value = (long)BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));
                break;
            case PickleOpcode.BinInt1:
                value = (long)Take(1)[0];
                break;
            case PickleOpcode.BinInt2:
                value = (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)));
                break;
            case PickleOpcode.Long1:
                BigInteger number = new(Take(Take(1)[0]));
                value = number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number;
                break;
            case PickleOpcode.BinFloat:
                value = BinaryPrimitives.ReadDoubleBigEndian(Take(sizeof(double)));
                break;
            case PickleOpcode.BinUnicode:
                value = TakeText(BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint))));
                break;
            case PickleOpcode.ShortBinUnicode:
                value = TakeText(Take(1)[0]);
                break;
            default:
                return false;
        }

        _stack.Add(value);
        return true;
    }

    private bool FollowContainer(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.EmptyTuple:
                _stack.Add(new PickleTuple([]));
                break;
            case PickleOpcode.Tuple1 or PickleOpcode.Tuple2 or PickleOpcode.Tuple3:
                int count = opcode - PickleOpcode.Tuple1 + 1;
                if (_stack.Count - Floor < count)
                    throw Damaged("takes values that are not there");
                _stack.Add(new PickleTuple(Cut(_stack.Count - count)));
                break;
            case PickleOpcode.Tuple:
                _stack.Add(new PickleTuple(CutAtMark()));
                break;
            case PickleOpcode.EmptyList:
                _stack.Add(new PickleList());
                break;
            case PickleOpcode.Append:
                object? item = Pop();
                Top<PickleList>().Items.Add(item);
                break;
            case PickleOpcode.Appends:
                object?[] items = CutAtMark();
                Top<PickleList>().Items.AddRange(items);
                break;
            case PickleOpcode.EmptyDict:
                _stack.Add(new PickleDict());
                break;
            case PickleOpcode.SetItem:
                object? value = Pop(), key = Pop();
                Top<PickleDict>().Items.Add(new(key, value));
                break;
            case PickleOpcode.SetItems:
                object?[] pairs = CutAtMark();
                if (pairs.Length % 2 != 0)
                    throw Damaged("gives a dict a key without a value");
                PickleDict dict = Top<PickleDict>();
                for (int i = 0; i < pairs.Length; i += 2)
                    dict.Items.Add(new(pairs[i], pairs[i + 1]));
                break;
            default:
                return false;
        }

        return true;
    }

    private readonly int Floor => _marks.Count > 0 ? _marks[^1] : 0;

    private bool FollowMemo(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.BinPut:
                _memo[Take(1)[0]] = Top();
                break;
            case PickleOpcode.LongBinPut:
                _memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)))] = Top();
                break;
            case PickleOpcode.Memoize:
                _memo[(uint)_memo.Count] = Top();
                break;
            case PickleOpcode.BinGet:
                _stack.Add(Recall(Take(1)[0]));
                break;
            case PickleOpcode.LongBinGet:
                _stack.Add(Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)))));
                break;
            default:
                return false;
        }

        return true;
    }

    private readonly object? Recall(uint index) =>
        _memo.TryGetValue(index, out object? value) ? value : throw Damaged($"refers to value {index}, which it does not have");

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count > _pickle.Length - _position)
            throw Damaged("ends within an instruction");
        ReadOnlySpan<byte> bytes = _pickle.Slice(_position, (int)count);
        _position += (int)count;
        return bytes;
    }

    private string TakeLine()
    {
        int length = _pickle[_position..].IndexOf((byte)'\n');
        if (length < 0)
            throw Damaged("ends within an instruction");
        string line = TakeText(length);
        _position++;
        return line;
    }

    private string TakeText(long byteCount)
    {
        try
        {
            return StrictUtf8.GetString(Take(byteCount));
        }
        catch (DecoderFallbackException exception)
        {
            throw new ModelFormatException(Sentence("holds text that is not valid UTF-8"), exception);
        }
    }

    private readonly object? Pop()
    {
        if (_stack.Count == Floor)
            throw Damaged("takes values that are not there");
        object? value = _stack[^1];
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private readonly T Pop<T>() where T : class => Pop() as T ?? throw Damaged("uses a value as something that it is not");

    private readonly object? Top() => _stack.Count > Floor ? _stack[^1] : throw Damaged("takes values that are not there");

    private readonly T Top<T>() where T : class => Top() as T ?? throw Damaged("uses a value as something that it is not");

    private readonly object?[] CutAtMark()
    {
        if (_marks.Count == 0)
            throw Damaged("takes values that are not there");
        int first = Floor;
        _marks.RemoveAt(_marks.Count - 1);
        return Cut(first);
    }

    private readonly object?[] Cut(int first)
    {
        object?[] values = [.. _stack[first..]];
        _stack.RemoveRange(first, values.Length);
        return values;
    }

    private readonly string Sentence(string what) => $"'{_path}' is not a state dict that can be read: its data.pkl {what}.";

    private readonly ModelFormatException Damaged(string what) => new(Sentence(what));
}
