"""What makes a held-out row leak into training: the rules in words. Pure."""

NEAR = "leak_near_input"
MEANINGS = {
    "leak_exact_input": "the same input",
    "leak_normalised_input": "the same input but for case, white space and punctuation",
    NEAR: "nearly the same input",
    "leak_target_template": "the same target but for its placeholders",
    "leak_group": "a row of the same group",
    "shot_in_test": "an example that is shown in prompts",
    "validation_is_train": "a training row",
}


def rule_words(rule: str) -> str:
    """Return a rule as pages say it; `rule` may be one of an earlier version."""
    return MEANINGS.get(rule, rule.replace("_", " "))
