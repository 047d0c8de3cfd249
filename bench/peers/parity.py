#!/usr/bin/env python3
"""Holds our engine's outputs against those of transformers' PixioModel, on one checkpoint and the same noise, in float32, bfloat16 and float16.

The reference is PixioModel in float64. Our relative L2 error in float32 may be twice the error that PixioModel itself makes in float32;
in bfloat16 and float16 1.1 times its error in that precision."""

import argparse
import os
import sys
import tempfile

import common

# Our precision, torch's type, and how many times the peer's own error is allowed.
PRECISIONS = [("fp32", "float32", 2.0), ("bf16", "bfloat16", 1.1), ("fp16", "float16", 1.1)]
OUTPUTS = ("last_hidden_state", "pooler_output")


def theirs(torch, transformers, folder, pixels, dtype) -> dict:
    model = transformers.AutoModel.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").cuda().eval()
    with torch.no_grad():
        outputs = model(pixels.to("cuda", dtype))
    return {name: getattr(outputs, name).double().cpu() for name in OUTPUTS}


def ours(torch, arguments, pixels, precision) -> dict:
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        pixel_file, output_file = os.path.join(folder, "pixels.f32"), os.path.join(folder, "outputs.f32")
        pixels.numpy().astype("<f4").tofile(pixel_file)
        with common.Ours(arguments.ours, model=arguments.model, device=arguments.device, precision=precision, batch=len(pixels),
                         outputs="pooler") as process:
            if process.ready["input_shape"] != list(pixels.shape):
                raise common.Failed(f"our engine takes pixels of {process.ready['input_shape']}, transformers of {list(pixels.shape)}")
            process.ask(f"run {pixel_file} {output_file}")
            values = torch.from_numpy(numpy.fromfile(output_file, "<f4")).double()
    return {output["name"]: values[output["offset"]:output["offset"] + torch.Size(output["shape"]).numel()].reshape(output["shape"])
            for output in process.ready["outputs"]}


def main(arguments) -> None:
    torch, transformers = common.import_torch(needs_transformers=True)
    config = transformers.AutoConfig.from_pretrained(arguments.model)
    sides = config.image_size if isinstance(config.image_size, (list, tuple)) else [config.image_size] * 2
    torch.manual_seed(arguments.seed)
    pixels = torch.randn(arguments.batch, config.num_channels, *sides)
    reference = theirs(torch, transformers, arguments.model, pixels, torch.float64)

    def error(outputs, name) -> float:
        return float((outputs[name] - reference[name]).norm() / reference[name].norm())

    rows, wrong = [], []
    for precision, dtype, factor in PRECISIONS:
        their_outputs = theirs(torch, transformers, arguments.model, pixels, getattr(torch, dtype))
        our_outputs = ours(torch, arguments, pixels, precision)
        for name in OUTPUTS:
            if our_outputs[name].shape != reference[name].shape:
                raise common.Failed(f"our {name} has the shape {list(our_outputs[name].shape)}, theirs {list(reference[name].shape)}")
            row = {"precision": precision, "output": name, "ours": error(our_outputs, name), "theirs": error(their_outputs, name),
                   "allowed": factor}
            # A NaN is not within anything.
            row["within"] = row["ours"] <= factor * row["theirs"]
            rows.append(row)
            print(f"{precision} {name:<18} error {row['ours']:.3e}, PixioModel's own {row['theirs']:.3e}, allowed {factor} times that:"
                  f" {'within' if row['within'] else 'OVER'}")
            if not row["within"]:
                wrong.append(f"{precision} {name}")
    common.write_report(arguments.output, common.versions(torch, transformers) | {"batch": arguments.batch, "rows": rows})
    if wrong:
        raise common.Failed(f"further from float64 than PixioModel allows: {', '.join(wrong)}")
    print(f"{len(rows)} outputs as close to float64 as transformers {transformers.__version__}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="parity.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, metavar="COMMAND", help="what starts our engine: '... PixioCuda.Bench.dll peer'")
    parser.add_argument("--model", required=True, metavar="DIR", help="a checkpoint folder, as pixio synth writes one")
    parser.add_argument("--device", default="cuda", help="of our engine [default: cuda]")
    parser.add_argument("--batch", type=common.count, default=2, help="pictures [default: 2]")
    parser.add_argument("--seed", type=int, default=0, help="of the noise [default: 0]")
    parser.add_argument("--output", metavar="FILE.json", help="also write the errors as JSON")
    sys.exit(common.run(main, parser))
