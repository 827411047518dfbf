"""How long a tuning takes: a range around what little is known of it. Pure."""

# Google's own tutorial names about 20 minutes for a small file, the least that is reported.
_LEAST_HOURS = 20 / 60
# One live run is reported: 315 rows for 3 epochs took 36 minutes, queue and deployment included.
_OBSERVED_HOURS, _OBSERVED_ROWS = 36 / 60, 315 * 3
_DAY = 24.0  # a tuning ends within a day as a rule


def tuning_hours(train_size: int, *, epochs: int) -> tuple[float, float]:
    """Return the least and the most hours that a tuning is likely to take.

    The most grows with the rows that are seen, at the pace of the one run that is reported, up to
    a day. Both are second-hand: a plan says hours as a range and promises none.
    """
    seen = train_size * epochs
    most = max(_OBSERVED_HOURS, _OBSERVED_HOURS * seen / _OBSERVED_ROWS)
    return _LEAST_HOURS, min(_DAY, most)
