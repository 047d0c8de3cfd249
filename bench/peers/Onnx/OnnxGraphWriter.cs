using System.Globalization;
using System.Runtime.InteropServices;

namespace PixioCuda.Peers.Onnx;

/// <summary>Writes an ONNX model: nodes and small constants into one file, weights into another beside it (ONNX's external data), since a
/// protobuf message ends at 2 GB. Field numbers are those of onnx.proto.</summary>
internal sealed class OnnxGraphWriter
{
    /// <summary>The domain of ONNX Runtime's own operators.</summary>
    public const string ContribDomain = "com.microsoft";

    private const int IrVersion = 9;
    private const int OpsetVersion = 20;
    private const int FloatType = 1;
    private const int Int64Type = 7;

    // Weights begin at page boundaries, so that the runtime can map them.
    private const int DataAlignment = 4096;

    private readonly ProtobufWriter _graph = new();
    private readonly string _dataName;
    private readonly Stream? _data;
    private long _dataEnd;
    private int _names;

    /// <param name="name">The graph's name.</param>
    /// <param name="dataName">The file of the weights, in the same folder.</param>
    /// <param name="data">Where the weights are written; null where another graph with the same weights, given in the same order, has
    /// written them.</param>
    public OnnxGraphWriter(string name, string dataName, Stream? data)
    {
        _graph.Text(2, name);
        _dataName = dataName;
        _data = data;
    }

    /// <summary>A weight in the file of the weights.</summary>
    public string Weight(string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> values)
    {
        long offset = (_dataEnd + DataAlignment - 1) / DataAlignment * DataAlignment;
        if (_data is not null)
        {
            _data.Position = offset;
            _data.Write(MemoryMarshal.AsBytes(values));
        }

        long length = (long)values.Length * sizeof(float);
        _dataEnd = offset + length;
        long[] dims = shape.ToArray();
        _graph.Message(5, tensor =>
        {
            TensorHead(tensor, name, dims, FloatType);
            Entry(tensor, "location", _dataName);
            Entry(tensor, "offset", offset.ToString(CultureInfo.InvariantCulture));
            Entry(tensor, "length", length.ToString(CultureInfo.InvariantCulture));
            tensor.Integer(14, 1);
        });
        return name;
    }

    /// <summary>A constant [n] of whole numbers, such as a shape.</summary>
    public string Constant(params long[] values)
    {
        string name = NewName("constant");
        _graph.Message(5, tensor =>
        {
            TensorHead(tensor, name, [values.Length], Int64Type);
            tensor.Bytes(9, MemoryMarshal.AsBytes<long>(values));
        });
        return name;
    }

    /// <summary>A constant number.</summary>
    public string Scalar(float value)
    {
        string name = NewName("constant");
        _graph.Message(5, tensor =>
        {
            TensorHead(tensor, name, [], FloatType);
            tensor.Bytes(9, MemoryMarshal.AsBytes(new ReadOnlySpan<float>(in value)));
        });
        return name;
    }

    /// <summary>A node with one output, whose name comes back.</summary>
    public string Node(string op, ReadOnlySpan<string> inputs, params OnnxAttribute[] attributes) => Node("", op, inputs, 1, attributes)[0];

    /// <summary>A node with several outputs.</summary>
    /// <param name="domain">"" for ONNX's own operators.</param>
    /// <param name="op">The operator.</param>
    /// <param name="inputs">Names; "" for an optional input that is left out.</param>
    /// <param name="outputs">How many outputs there are.</param>
    /// <param name="attributes">The operator's attributes.</param>
    public string[] Node(string domain, string op, ReadOnlySpan<string> inputs, int outputs, params OnnxAttribute[] attributes)
    {
        string[] from = inputs.ToArray();
        string[] to = [.. Enumerable.Range(0, outputs).Select(_ => NewName(op))];
        _graph.Message(1, node =>
        {
            foreach (string input in from)
                node.Text(1, input);
            foreach (string output in to)
                node.Text(2, output);
            node.Text(3, to[0]);
            node.Text(4, op);
            foreach (OnnxAttribute attribute in attributes)
                node.Message(5, attribute.Write);
            if (domain.Length > 0)
                node.Text(7, domain);
        });
        return to;
    }

    /// <summary>An input of the graph.</summary>
    public string Input(string name, params long[] shape)
    {
        _graph.Message(11, value => Value(value, name, shape));
        return name;
    }

    /// <summary>Makes a node's output one of the graph's.</summary>
    public void Output(string name, string from, params long[] shape)
    {
        _graph.Message(1, node =>
        {
            node.Text(1, from);
            node.Text(2, name);
            node.Text(3, name);
            node.Text(4, "Identity");
        });
        _graph.Message(12, value => Value(value, name, shape));
    }

    /// <summary>Writes the model.</summary>
    public void Save(string path)
    {
        ProtobufWriter model = new();
        model.Integer(1, IrVersion);
        model.Text(2, "pixio");
        model.Bytes(7, _graph.ToArray());
        model.Message(8, opset => opset.Integer(2, OpsetVersion));
        model.Message(8, opset =>
        {
            opset.Text(1, ContribDomain);
            opset.Integer(2, 1);
        });
        File.WriteAllBytes(path, model.ToArray());
    }

    private static void TensorHead(ProtobufWriter tensor, string name, long[] shape, int type)
    {
        foreach (long side in shape)
            tensor.Integer(1, side);
        tensor.Integer(2, type);
        tensor.Text(8, name);
    }

    private static void Entry(ProtobufWriter tensor, string key, string value) => tensor.Message(13, entry =>
    {
        entry.Text(1, key);
        entry.Text(2, value);
    });

    private static void Value(ProtobufWriter value, string name, long[] shape)
    {
        value.Text(1, name);
        value.Message(2, type => type.Message(1, tensor =>
        {
            tensor.Integer(1, FloatType);
            tensor.Message(2, dims =>
            {
                foreach (long side in shape)
                    dims.Message(1, dim => dim.Integer(1, side));
            });
        }));
    }

    private string NewName(string what) => string.Create(CultureInfo.InvariantCulture, $"{what}_{_names++}");
}

/// <summary>An attribute of a node.</summary>
internal readonly record struct OnnxAttribute(string Name, float? Number, long[] Integers, bool IsList)
{
    private const int FloatKind = 1;
    private const int IntKind = 2;
    private const int IntsKind = 7;

    public static OnnxAttribute Float(string name, float value) => new(name, value, [], false);

    public static OnnxAttribute Int(string name, long value) => new(name, null, [value], false);

    public static OnnxAttribute Ints(string name, params long[] values) => new(name, null, values, true);

    public void Write(ProtobufWriter attribute)
    {
        attribute.Text(1, Name);
        if (Number is float number)
        {
            attribute.Number(2, number);
            attribute.Integer(20, FloatKind);
        }
        else
        {
            foreach (long value in Integers)
                attribute.Integer(IsList ? 8 : 3, value);
            attribute.Integer(20, IsList ? IntsKind : IntKind);
        }
    }
}
