#!/usr/bin/env python3
"""Reads what `pixio embed` wrote with numpy, safetensors and pyarrow, and checks that the formats agree.

    pixio embed PICTURES --model MODEL --output out/a.npy        (and .safetensors, .parquet, .jsonl)
    python3 tests/check_outputs.py out/a.npy out/a.safetensors out/a.parquet out/a.jsonl

Every file must hold the same pictures in the same order with the same numbers; float16 files are held against the nearest
half of the others.
Formats whose library is missing are an error unless --skip-missing is given. The exit code is 1 where something differs.
"""
import argparse
import json
import pathlib
import sys

import numpy as np


def read_npy(path):
    array = np.load(path, allow_pickle=False)
    about = json.loads(pathlib.Path(f"{path}.json").read_text(encoding="utf-8"))
    return about["images"], array, {failure["image"] for failure in about["failures"]}, about["model_sha256"]


def read_safetensors(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        about = file.metadata()
        failures = json.loads(about.get("failures", "[]"))
        return json.loads(about["images"]), file.get_tensor("embeddings"), {failure["image"] for failure in failures}, about["model_sha256"]


def read_parquet(path):
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    table = file.read()
    about = {key.decode(): value.decode() for key, value in file.metadata.metadata.items() if not key.startswith(b"ARROW")}
    ids, rows, failed = [], [], set()
    for name, embedding, error in zip(table["id"].to_pylist(), table["embedding"].to_pylist(), table["error"].to_pylist()):
        if (embedding is None) == (error is None):
            raise ValueError(f"{name} has {'neither' if error is None else 'both'} an embedding and an error")
        if error is None:
            ids.append(name)
            rows.append(embedding)
        else:
            failed.add(name)
    return ids, np.array(rows, np.float32), failed, about["model_sha256"]


def read_jsonl(path):
    ids, rows, failed, model = [], [], set(), None
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        model = row["model_sha256"]
        if "error" in row:
            failed.add(row["image"])
        else:
            ids.append(row["image"])
            rows.append(np.array(row["embedding"], np.float32).reshape(row["shape"]))
    return ids, np.array(rows), failed, model


READERS = {".npy": read_npy, ".safetensors": read_safetensors, ".parquet": read_parquet, ".jsonl": read_jsonl}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--skip-missing", action="store_true", help="leave out formats whose library is not installed")
    arguments = parser.parse_args()
    first = None
    for path in arguments.files:
        try:
            ids, values, failed, model = READERS[pathlib.Path(path).suffix](path)
        except ImportError as missing:
            if not arguments.skip_missing:
                sys.exit(f"{path} cannot be read: {missing}. Install it, or leave such files out with --skip-missing.")
            print(f"{path}: not checked, {missing}")
            continue
        if len(ids) != len(values) or not np.isfinite(values.astype(np.float64)).all():
            sys.exit(f"{path} has {len(ids)} pictures and {len(values)} embeddings, or numbers that are not finite.")
        if first is None:
            first = ids, values, failed, model
        else:
            kind = np.float16 if np.float16 in (values.dtype, first[1].dtype) else np.float32
            if (ids, failed, model) != (first[0], first[2], first[3]):
                sys.exit(f"{path} has other pictures, failures or another model than {arguments.files[0]}.")
            if values.shape != first[1].shape or not np.array_equal(values.astype(kind), first[1].astype(kind)):
                sys.exit(f"{path} has other numbers than {arguments.files[0]}.")
        print(f"{path}: {len(ids)} embeddings {values.dtype}{list(values.shape[1:])}, {len(failed)} failed, model {model[:12]}")


if __name__ == "__main__":
    main()
