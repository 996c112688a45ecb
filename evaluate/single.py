"""evaluate without --compare, --all_epochs or --corruptions: one network or one program's predictions."""

from __future__ import annotations

from . import paired_difference, results
from .checks import writable
from .evaluation import evaluate_one
from .settings import EvaluateConfig


def run(config: EvaluateConfig) -> None:
    """Evaluate, print, write."""
    report = writable(config.report) if config.report else None
    done = evaluate_one(config)
    result, protocol = done.result, done.inputs.protocol
    results.show(result, protocol)
    if result.against is not None:
        print("\n".join(paired_difference.describe(result.against, protocol.headline)))
    results.write(done.path, result)
    print(f"written to {done.path}")
    if report is not None:
        from .reports.report import write_report

        write_report(report, [done])
        print(f"report: {report}")
    trained = done.inputs.trained
    if trained and trained.settings.get("loss", {}).get("use_stereo") and protocol.median_scaling:
        print("trained with stereo pairs: --no_median_scaling --pred_depth_scale 5.4 judges its own scale")
