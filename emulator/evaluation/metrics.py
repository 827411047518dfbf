"""The metrics that need no model: the score of one prediction against its reference, 0 to 1."""


def score_exact_match(prediction: str, reference: str) -> float:
    return float(prediction == reference)


def score_bleu(prediction: str, reference: str, *, use_effective_order: bool = False) -> float:
    from sacrebleu import sentence_bleu

    found = sentence_bleu(prediction, [reference], use_effective_order=use_effective_order)
    return float(found.score) / 100
