#!/usr/bin/env python3
"""Measures transformers' PixioModel and our engine on one checkpoint, in turns within one run, so that both meet the same clocks.

Both hold their model on the GPU all the time, and only one computes at a time. Each round measures both, and who begins changes with the
round. A run is what a host sees: pixel_values float32 in host memory in (pinned for PyTorch), last_hidden_state float32 in host memory out,
everything in bfloat16 between. Beside that the device's own time, from pixels to outputs in its memory: ours as a captured graph, PyTorch's
between two events. A ratio is PyTorch's time over ours: above 1, ours is faster."""

import argparse
import sys
import time

import common


class Theirs:
    """PixioModel in bfloat16, measured as our engine measures itself."""

    def __init__(self, torch, transformers, arguments, batch):
        self._torch = torch
        model = transformers.AutoModel.from_pretrained(arguments.model, dtype=torch.bfloat16, attn_implementation="sdpa").cuda().eval()
        if arguments.mode == "compile":
            model = torch.compile(model)
        elif arguments.mode == "autotune":
            model = torch.compile(model, mode="max-autotune")
        self._model = model
        config = model.config
        sides = config.image_size if isinstance(config.image_size, (list, tuple)) else [config.image_size] * 2
        torch.manual_seed(0)
        self._pixels = torch.randn(batch, config.num_channels, *sides).pin_memory()
        self._on_device = self._pixels.to("cuda", torch.bfloat16)
        # Compiles, and shapes the pinned output.
        hidden = self._forward(self._on_device)
        self._outputs = torch.empty(hidden.shape, dtype=torch.float32).pin_memory()
        self._host_run()

    def measure(self, seconds: float) -> dict:
        """Host memory to host memory, behind a fifth of the time of warm-up."""
        self._run_for(seconds / 5)
        begin = time.perf_counter()
        times = sorted(self._run_for(seconds))
        whole = time.perf_counter() - begin
        if not bool(self._torch.isfinite(self._outputs).all()):
            raise common.Failed("PyTorch's outputs hold numbers that are not finite")
        return {"median_seconds": common.median(times), "p10_seconds": times[len(times) // 10], "p90_seconds": times[len(times) * 9 // 10],
                "images_per_second": len(times) * len(self._pixels) / whole, "runs": len(times)}

    def measure_device(self, runs: int) -> dict:
        """Device memory to device memory, by the device's clock."""
        times = []
        for run in range(runs + 1):
            start, end = self._torch.cuda.Event(enable_timing=True), self._torch.cuda.Event(enable_timing=True)
            start.record()
            self._forward(self._on_device)
            end.record()
            end.synchronize()
            if run > 0:
                times.append(1e-3 * start.elapsed_time(end))
        return {"median_seconds": common.median(times), "runs": runs}

    def _forward(self, pixels):
        with self._torch.inference_mode():
            return self._model(pixels).last_hidden_state

    def _host_run(self) -> None:
        pixels = self._pixels.to("cuda", non_blocking=True).to(self._torch.bfloat16)
        self._outputs.copy_(self._forward(pixels).float(), non_blocking=True)
        self._torch.cuda.synchronize()

    def _run_for(self, seconds: float) -> list:
        times, begin = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            self._host_run()
            times.append(time.perf_counter() - start)
        return times


def compare(torch, transformers, arguments, batch) -> dict:
    with common.Ours(arguments.ours, model=arguments.model, device="cuda", precision="bf16", batch=batch) as ours:
        theirs = Theirs(torch, transformers, arguments, batch)
        rounds = []
        for number in range(arguments.rounds):
            sides = [("ours", lambda: (ours.ask(f"measure {arguments.seconds}"), ours.ask(f"measure-device {arguments.device_runs}"))),
                     ("theirs", lambda: (theirs.measure(arguments.seconds), theirs.measure_device(arguments.device_runs)))]
            measured = {}
            for name, measure in sides if number % 2 == 0 else reversed(sides):
                host, device = measure()
                measured[name] = {"host": host, "device": device}
            rounds.append(measured)
    result = {"batch": batch, "rounds": rounds}
    for kind in ("host", "device"):
        ratios = [measured["theirs"][kind]["median_seconds"] / measured["ours"][kind]["median_seconds"] for measured in rounds]
        result[kind] = {
            "ours_seconds": common.median([measured["ours"][kind]["median_seconds"] for measured in rounds]),
            "theirs_seconds": common.median([measured["theirs"][kind]["median_seconds"] for measured in rounds]),
            "ratio": common.median(ratios), "least_ratio": min(ratios), "most_ratio": max(ratios),
        }
        print(f"batch {batch:>3}, {kind:<6} ours {1e3 * result[kind]['ours_seconds']:9.3f} ms, {arguments.mode}"
              f" {1e3 * result[kind]['theirs_seconds']:9.3f} ms, ratio {result[kind]['ratio']:.3f}"
              f" ({result[kind]['least_ratio']:.3f} to {result[kind]['most_ratio']:.3f} over {len(rounds)} rounds)", flush=True)
    return result


def main(arguments) -> None:
    torch, transformers = common.import_torch(needs_transformers=True)
    results = []
    for batch in arguments.batches:
        results.append(compare(torch, transformers, arguments, batch))
        # What was measured stays, should a later batch break off.
        common.write_report(arguments.output, common.versions(torch, transformers) | {"mode": arguments.mode, "results": results})
        torch.cuda.empty_cache()
    print("; ".join(f"batch {result['batch']}: {result['host']['ratio']:.2f} times {arguments.mode}'s speed"
                    f" ({result['device']['ratio']:.2f} on the device)" for result in results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, metavar="COMMAND", help="what starts our engine: '... PixioCuda.Bench.dll peer'")
    parser.add_argument("--model", required=True, metavar="DIR", help="a checkpoint folder, as pixio synth writes one")
    parser.add_argument("--mode", choices=["eager", "compile", "autotune"], default="eager",
                        help="eager with sdpa, torch.compile, or torch.compile with max-autotune [default: eager]")
    parser.add_argument("--batches", type=common.count, nargs="+", default=[1], metavar="N", help="pictures in a run [default: 1]")
    parser.add_argument("--rounds", type=common.count, default=5, help="how often both are measured [default: 5]")
    parser.add_argument("--seconds", type=common.positive, default=1.0, help="how long each time [default: 1]")
    parser.add_argument("--device-runs", type=common.count, default=10, help="runs by the device's clock each time [default: 10]")
    parser.add_argument("--output", metavar="FILE.json", help="also write every figure as JSON")
    sys.exit(common.run(main, parser))
