#!/usr/bin/env python3
"""What PyTorch reaches on this GPU at best: a copy of 4 GiB within its memory, and a bfloat16 product of 8192 x 8192 matrices."""

import argparse
import sys

import common

WARM_UP, RUNS = 3, 20


def median_seconds(torch, launch) -> float:
    times = []
    for run in range(WARM_UP + RUNS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        launch()
        end.record()
        end.synchronize()
        if run >= WARM_UP:
            times.append(1e-3 * start.elapsed_time(end))
    return common.median(times)


def main(arguments) -> None:
    torch = common.import_torch()
    source = torch.full((arguments.bytes,), 0x5A, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copy = median_seconds(torch, lambda: target.copy_(source))
    if int(target[-1]) != 0x5A:
        raise common.Failed("the copy did not arrive: not measured")
    del source, target

    # Random data: zeros take less power, and run faster.
    a, b = (torch.randn(arguments.side, arguments.side, device="cuda").bfloat16() for _ in range(2))
    product = torch.empty_like(a)
    matmul = median_seconds(torch, lambda: torch.mm(a, b.T, out=product))
    expected = (a[0].double() * b[0].double()).sum()
    if not abs(product[0, 0].double() - expected) <= 0.01 * abs(expected) + 0.01 * arguments.side**0.5:
        raise common.Failed(f"the product's first element is {float(product[0, 0])}, not {float(expected)}: not measured")

    report = common.versions(torch) | {
        "copy_gb_per_second": 2e-9 * arguments.bytes / copy,
        "matmul_bf16_tflop_per_second": 2e-12 * arguments.side**3 / matmul,
        "copy_seconds": copy,
        "matmul_seconds": matmul,
        "runs": RUNS,
    }
    common.write_report(arguments.output, report)
    print(f"copy {report['copy_gb_per_second']:.1f} GB/s, matmul {report['matmul_bf16_tflop_per_second']:.1f} TFLOP/s"
          f" (PyTorch {torch.__version__})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="ceilings.py", description=__doc__)
    parser.add_argument("--output", metavar="FILE.json", help="also write the figures as JSON")
    parser.add_argument("--bytes", type=common.count, default=4 << 30, help="of the copy [default: 4 GiB]")
    parser.add_argument("--side", type=common.count, default=8192, help="of the matrices [default: 8192]")
    sys.exit(common.run(main, parser))
