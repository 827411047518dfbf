"""The report's table of what the confidence of answers is worth. Pure."""

from collections.abc import Iterator

from service.evaluation.scoring.confidence import Automation, ConfidenceReport
from service.experiments.report.data import ReportData

HEADS = ("Variant", "Confidence", "Rows", "Calibration error", "AUROC", "Go out unseen")


def confidence_rows(report: ReportData) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each variant and source of confidence."""
    for name, details in report.variants.items():
        for each in details.confidence:
            yield (
                name,
                each.source.value,
                f"{each.rows:,}",
                "" if each.ece is None else f"{each.ece:.3f}",
                "" if each.auroc is None else f"{each.auroc:.3f}",
                _unseen(each),
            )


def _unseen(report: ConfidenceReport) -> str:
    if not report.used:
        return f"not used: {report.caution}"
    return "; ".join(map(automation_words, report.automation))


def automation_words(found: Automation) -> str:
    """Return what can go out unseen for people, such as "41% [36%, 46%] at 95 % right"."""
    promise = f"{100 * found.target:g} % {found.goal.replace('_', ' ')}"
    if found.precision is None:
        return f"none at {promise}"
    share = f"{found.share:.0%} [{found.share_low:.0%}, {found.share_high:.0%}]"
    return f"{share} at {promise} (found {found.precision:.1%})"
