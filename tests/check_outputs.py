#!/usr/bin/env python3
"""Reads what `pixio embed` wrote, and checks that the formats agree.

    pixio embed PICTURES --model MODEL --output out/a.npy        (and .safetensors, .parquet, .jsonl)
    python3 tests/check_outputs.py out/a.npy out/a.safetensors out/a.parquet out/a.jsonl

Every file must hold the same pictures in the same order with the same numbers; float16 files are held against the nearest
half of the others.

.npy, .safetensors and .jsonl are read by the descriptions of their formats, which takes nothing but Python; numpy and safetensors must
read the same numbers, and .parquet is read by pyarrow alone. A library that is missing is an error unless --skip-missing is given; the
last words of a file's line say what read it. The exit code is 1 where something differs.
"""
import argparse
import ast
import json
import math
import pathlib
import struct
import sys
from typing import NamedTuple

# What struct calls the element types of .npy and .safetensors.
CODES = {"<f4": "f", "<f2": "e", "F32": "f", "F16": "e"}
TYPES = {"f": "float32", "e": "float16"}


class Output(NamedTuple):
    ids: list
    code: str       # "f" or "e"
    shape: list     # of one embedding
    values: tuple   # all embeddings, end to end
    failed: set
    model: str


def rounded(values, code):
    """The numbers as float32 or float16, to nearest, as the bytes that store them."""
    return struct.pack(f"<{len(values)}{code}", *values)


def unpacked(content, code, shape):
    count = math.prod(shape)
    if len(content) != count * struct.calcsize(code):
        raise ValueError(f"there are {len(content)} bytes of numbers for the shape {shape}")
    return struct.unpack(f"<{count}{code}", content)


def npy(path):
    content = pathlib.Path(path).read_bytes()
    if content[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("it does not begin as version 1.0 of .npy does")
    end = 10 + struct.unpack_from("<H", content, 8)[0]
    header = ast.literal_eval(content[10:end].decode("latin-1"))
    if header["fortran_order"] or header["descr"] not in CODES:
        raise ValueError(f"its header is {header}")
    code, shape = CODES[header["descr"]], list(header["shape"])
    about = json.loads(pathlib.Path(f"{path}.json").read_text(encoding="utf-8"))
    return output(about["images"], code, shape, unpacked(content[end:], code, shape), about["failures"], about["model_sha256"])


def npy_by_numpy(path):
    import numpy

    array = numpy.load(path, allow_pickle=False)
    return array.dtype.str, list(array.shape), array.ravel().tolist()


def safetensors(path):
    content = pathlib.Path(path).read_bytes()
    end = 8 + struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:end])
    about, tensor = header["__metadata__"], header["embeddings"]
    if tensor["dtype"] not in CODES:
        raise ValueError(f"its embeddings are {tensor['dtype']}")
    code, shape = CODES[tensor["dtype"]], tensor["shape"]
    first, last = tensor["data_offsets"]
    values = unpacked(content[end + first:end + last], code, shape)
    return output(
        json.loads(about["images"]), code, shape, values, json.loads(about.get("failures", "[]")), about["model_sha256"])


def safetensors_by_library(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        array = file.get_tensor("embeddings")
    return array.dtype.str, list(array.shape), array.ravel().tolist()


def jsonl(path):
    rows = [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]
    good = [row for row in rows if "error" not in row]
    shapes = {tuple(row["shape"]) for row in good}
    if len(shapes) > 1:
        raise ValueError(f"its embeddings have the shapes {sorted(shapes)}: files of several shapes are not compared")
    shape = list(shapes.pop()) if shapes else []
    numbers = [number for row in good for number in flat(row["embedding"])]
    if len(numbers) != len(good) * math.prod(shape):
        raise ValueError(f"it has {len(numbers)} numbers in {len(good)} embeddings of the shape {shape}")
    return output(
        [row["image"] for row in good], "f", [len(good), *shape], unpacked(rounded(numbers, "f"), "f", [len(numbers)]),
        [row for row in rows if "error" in row], rows[0]["model_sha256"] if rows else "")


def parquet(path):
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    table = file.read()
    about = {key.decode(): value.decode() for key, value in file.metadata.metadata.items() if not key.startswith(b"ARROW")}
    is_half = about["dtype"] == "float16"    # then a row is bytes
    ids, rows, failures = [], [], []
    for name, embedding, error in zip(table["id"].to_pylist(), table["embedding"].to_pylist(), table["error"].to_pylist()):
        if (embedding is None) == (error is None):
            raise ValueError(f"{name} has {'neither' if error is None else 'both'} an embedding and an error")
        if error is None:
            ids.append(name)
            rows.append(halves(embedding) if is_half else embedding)
        else:
            failures.append({"image": name})
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ValueError(f"its embeddings have {sorted(lengths)} numbers")
    return output(
        ids, "e" if is_half else "f", [len(rows), *lengths], tuple(number for row in rows for number in row), failures, about["model_sha256"])


def halves(row):
    return list(struct.unpack(f"<{len(row) // 2}e", row))


def flat(value):
    return [number for item in value for number in flat(item)] if isinstance(value, list) else [value]


def output(ids, code, shape, values, failures, model):
    if len(ids) != shape[0] or not all(map(math.isfinite, values)):
        raise ValueError(f"it has {len(ids)} pictures and {shape[0]} embeddings, or numbers that are not finite")
    return Output(ids, code, shape[1:], tuple(values), {failure["image"] for failure in failures}, model)


# What reads a kind of file, the name of what that takes, and what else is to read the same.
READERS = {
    ".npy": (npy, "Python", npy_by_numpy, "numpy"),
    ".safetensors": (safetensors, "Python", safetensors_by_library, "safetensors"),
    ".parquet": (parquet, "pyarrow", None, None),
    ".jsonl": (jsonl, "Python", None, None),
}


def read(path, skip_missing):
    """What a file holds and what read it; None where nothing could that is installed."""
    kind = pathlib.Path(path).suffix
    if kind not in READERS:
        sys.exit(f"{path} is none of the files that are checked: {', '.join(READERS)}.")
    reader, needs, library, library_name = READERS[kind]
    try:
        found = reader(path)
    except ImportError as missing:
        if not skip_missing:
            sys.exit(f"{path} cannot be read: {missing}. Install it, or leave such files out with --skip-missing.")
        print(f"{path}: not checked, {missing}")
        return None
    except (OSError, ValueError, KeyError, struct.error) as wrong:
        sys.exit(f"{path} cannot be read: {wrong}.")
    if library is None:
        return found, needs
    try:
        dtype, shape, values = library(path)
    except ImportError as missing:
        if not skip_missing:
            sys.exit(f"{path} cannot be read by {library_name}: {missing}. Install it, or leave it out with --skip-missing.")
        return found, f"{needs}, not by {library_name}: {missing}"
    if (CODES.get(dtype), shape, tuple(values)) != (found.code, [len(found.ids), *found.shape], found.values):
        sys.exit(f"{path} is read by {library_name} as {dtype}{shape}, or with other numbers than by its format's description.")
    return found, f"{needs} and {library_name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--skip-missing", action="store_true", help="do without libraries that are not installed")
    arguments = parser.parse_args()
    first = first_path = None
    for path in arguments.files:
        result = read(path, arguments.skip_missing)
        if result is None:
            continue
        found, by = result
        if first is None:
            first, first_path = found, path
        else:
            code = "e" if "e" in (found.code, first.code) else "f"
            if (found.ids, found.failed, found.model) != (first.ids, first.failed, first.model):
                sys.exit(f"{path} has other pictures, failures or another model than {first_path}.")
            if found.shape != first.shape and found.ids:
                sys.exit(f"{path} has embeddings {found.shape}, {first_path} {first.shape}.")
            if rounded(found.values, code) != rounded(first.values, code):
                sys.exit(f"{path} has other numbers than {first_path}.")
        print(f"{path}: {len(found.ids)} embeddings {TYPES[found.code]}{found.shape}, {len(found.failed)} failed, "
              f"model {found.model[:12]}; read by {by}")
    if first is None:
        sys.exit("No file was checked.")


if __name__ == "__main__":
    main()
