"""--compare: several networks or predictions, judged by one protocol on the same images, in one report."""

from __future__ import annotations

from dataclasses import replace

from . import paired_difference, results
from .checks import compared, writable
from .evaluation import Evaluation, evaluate_one
from .reports.report import write_report
from .settings import EvaluateConfig


def run(config: EvaluateConfig) -> None:
    """Evaluate each, print its table and its difference to the first, write its JSON and the report."""
    assert config.report is not None  # check() has seen to it
    report = writable(config.report)
    done: list[Evaluation] = []
    for one in compared(config):
        evaluation = evaluate_one(one)
        done.append(_with_difference(evaluation, done[0]) if done else evaluation)
    for evaluation in done:
        results.show(evaluation.result, evaluation.inputs.protocol)
        if evaluation.result.against:
            print("\n".join(paired_difference.describe(evaluation.result.against, evaluation.inputs.protocol.headline)))
        results.write(evaluation.path, evaluation.result)
    write_report(report, done)
    print(f"written to {', '.join(str(evaluation.path) for evaluation in done)}\nreport: {report}")


def _with_difference(evaluation: Evaluation, first: Evaluation) -> Evaluation:
    """Both are scored on the same pixels: the flags are the same, and a network's kind changes the alignment alone."""
    against = paired_difference.against(evaluation.result, first.result, first.path, evaluation.inputs.protocol)
    return evaluation._replace(result=replace(evaluation.result, against=against))
