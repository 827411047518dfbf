"""The report: every row accounted for, nothing personal in clear, a page that runs nothing."""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import load_catalogue
from service.datasets.formats.rows import SourceRow
from service.datasets.publishing.report_builder import bars
from service.datasets.report.masking import mask
from service.datasets.report.page import Origin, render_report
from service.datasets.report.schemas import DatasetReport
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.synthetic import synthetic_rows
from service.datasets.validation.token_counts import calibrate
from service.errors import Invalid, TunecurveError, Unavailable
from tests.service.datasets.columnar import Outcome, prepare_rows


def spec_of(**changes: Any) -> PrepareSpec:
    spec_fields: dict[str, Any] = {
        "preset": "pii",
        "source": {"type": "synthetic"},
        "train_sizes": [50, 200],
        "test_size": 40,
    }
    return PrepareSpec.model_validate(spec_fields | changes)


def tweets(count: int) -> Iterator[SourceRow]:
    words = ["alpha", "beta", "gamma", "delta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi"]
    for number in range(1, count + 1):
        own = " ".join(words[(number * step) % 11] for step in range(1, 9))
        label = ("positive", "negative", "neutral")[number % 3]
        yield SourceRow(number, {"text": f"{own} {number}", "sentiment": label})


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return prepare_rows(synthetic_rows(600, seed=1), spec_of(), model="gemini-3.5-flash")


def test_rows_in_are_rows_kept_and_rows_dropped_by_reason() -> None:
    rows = list(tweets(60))
    rows += [SourceRow(61, rows[4].fields), SourceRow(62, {"text": " ", "sentiment": "neutral"})]
    long = {"text": "on and on " * 60, "sentiment": "neutral"}
    near = {"text": rows[0].fields["text"] + "!", "sentiment": rows[0].fields["sentiment"]}
    rows += [SourceRow(63, long), SourceRow(64, near)]
    spec = spec_of(preset="sentiment", train_sizes=[5], test_size=10, max_characters=500)

    report = prepare_rows(rows, spec).report

    dropped = {reason: each.rows for reason, each in report.dropped.items()}
    assert report.source_rows == 64 == report.kept + sum(dropped.values())
    assert report.dropped["empty_text"].first_rows == [62]
    assert report.dropped["over_long"].first_rows == [63]
    assert dropped["duplicate"] == 1


def test_a_near_copy_in_train_is_left_out_and_one_with_another_target_is_not() -> None:
    text = "the quick brown fox jumps over the lazy dog and runs away into the dark wood again"
    plain = [SourceRow(each.number, dict(each.fields)) for each in tweets(40)]
    copy = SourceRow(101, {"text": f"{text} now", "sentiment": "neutral"})
    rows = [*plain, SourceRow(100, {"text": text, "sentiment": "neutral"}), copy]
    other = SourceRow(101, {"text": f"{text} now", "sentiment": "positive"})
    spec = spec_of(preset="sentiment", train_sizes=[5], test_size=5, near_duplicates=0.85, seed=3)

    same, different = prepare_rows(rows, spec), prepare_rows([*rows[:-1], other], spec)

    trained = {each.row for each in same.splits.train}
    assert len({100, 101} & trained) == 1
    assert same.report.dropped["near_duplicate"].rows >= 1
    assert {100, 101} <= {each.row for each in different.splits.train}


def test_rows_of_a_near_cluster_are_one_group_where_rows_name_none() -> None:
    text = "the quick brown fox jumps over the lazy dog and runs away into the dark wood again"
    rows = [
        *tweets(40),
        SourceRow(100, {"text": text, "sentiment": "neutral"}),
        SourceRow(101, {"text": f"{text} now", "sentiment": "positive"}),
    ]

    splits = prepare_rows(rows, spec_of(preset="sentiment", train_sizes=[5], test_size=5)).splits

    everything = (*splits.train, *splits.validation, *splits.test)
    groups = {each.group for each in everything if each.row in {100, 101}}
    assert len(groups) == 1
    assert groups <= {text, f"{text} now"}


def test_conflicting_targets_of_one_input_are_reported_with_their_rows() -> None:
    rows = [*tweets(40), SourceRow(41, {"text": "so be it", "sentiment": "positive"})]
    rows.append(SourceRow(42, {"text": "So be it!", "sentiment": "negative"}))

    report = prepare_rows(rows, spec_of(preset="sentiment", train_sizes=[5], test_size=5)).report

    warning = next(each for each in report.warnings if each.code == "conflicting_targets")
    assert (warning.rows, warning.first_rows) == (2, [41, 42])


def test_histograms_count_every_example(outcome: Outcome) -> None:
    report = outcome.report

    assert set(report.histograms) == {
        "text_characters",
        "target_characters",
        "text_tokens",
        "target_tokens",
    }
    for drawn in report.histograms.values():
        assert sum(bar.rows for bar in drawn) == report.kept


def test_bars_are_ranges_between_powers_of_two() -> None:
    found = [(bar.low, bar.high, bar.rows) for bar in bars([0, 1, 3, 4, 7, 40])]

    assert found == [
        (0, 1, 1),
        (1, 2, 1),
        (2, 4, 1),
        (4, 8, 2),
        (8, 16, 0),
        (16, 32, 0),
        (32, 64, 1),
    ]


def test_personal_data_are_counted_and_never_shown(outcome: Outcome) -> None:
    report = outcome.report
    rows = {row.number: row.fields["source_text"] for row in synthetic_rows(600, seed=1)}

    assert len(report.samples) == 20
    assert {"email", "phone"} <= set(report.pii)
    for sample in report.samples:
        target = next(each.target for each in outcome.splits.train if each.row == sample.row)
        kept = set(re.findall(r"\w+", target))
        secrets = set(re.findall(r"\w+", rows[sample.row])) - kept
        shown = set(re.findall(r"\w+", sample.text))
        assert not {word for word in secrets & shown if len(word) > 2 and not word.islower()}
        assert not re.search(r"[1-9]|@", re.sub(r"<\w+>|\[\w+\]", "", sample.text))


def test_masking_keeps_labels_and_common_words_only() -> None:
    common = frozenset({"please", "call", "on", "[NAME]"})
    text = "please call Ada on +44 20 7946 0958 or ada@example.org, [NAME] knows"

    assert mask(text, common=common) == "please call x on <phone> x <email>, [NAME] x"


@pytest.mark.parametrize("name", ["[Maria]", "[maria]", "[MARIA]", "[Maria_2]", "(Maria)"])
def test_a_name_in_brackets_is_masked(name: str) -> None:
    masked = mask(f"please call {name}", common=frozenset({"please", "call", "[NAME]"}))
    assert "maria" not in masked.lower()


@pytest.mark.parametrize(
    "name",
    [
        "\u092e\u093e\u0930\u093f\u092f\u093e",
        "\u24dc\u24d0\u24e1",
        "Mari\u0301a",
        "\U0001f17c\U0001f170",
    ],
)
def test_a_name_in_any_script_is_masked_with_its_vowel_signs(name: str) -> None:
    assert mask(f"(**{name}**)", common=frozenset()) == "(**x**)"


def test_cost_is_a_range_by_epochs_with_its_source(outcome: Outcome) -> None:
    report = outcome.report
    assert report.cost is not None
    assert report.tokens is not None

    assert (report.cost.model, report.cost.dollars_per_million_tokens) == ("gemini-3.5-flash", 10)
    assert report.cost.as_of
    assert [(row.train_size, row.epochs) for row in report.cost.rows] == [
        (size, epochs) for size in (50, 200) for epochs in (1, 3, 10)
    ]
    for row in report.cost.rows:
        assert 0 < row.tokens_low < row.tokens_high
        assert row.dollars_high == pytest.approx(row.tokens_high * 10 / 1e6, abs=1e-4)
    size_bytes = len(b"".join(outcome.lines[:50]))
    assert report.cost.rows[0].tokens_low < size_bytes / 4 < report.cost.rows[0].tokens_high


def test_the_cost_of_tuning_follows_the_users_prices(tmp_path: Path) -> None:
    prices, own = tmp_path / "prices.toml", tmp_path / "own.toml"
    entry = 'source = "our contract"\nas_of = "2026-11"\n'
    prices.write_text(f'["gemini-3.5-flash"]\ninput = 1\noutput = 2\ntraining = 4\n{entry}')
    own.write_text(f'[models."gemini-3.5-flash".prices]\ntraining = 7\n{entry}')
    for catalogue, dollars in (
        (load_catalogue(prices=prices), 4),
        (load_catalogue(own, prices=prices), 7),
    ):
        report = prepare_rows(
            synthetic_rows(600, seed=1), spec_of(), model="gemini-3.5-flash", catalogue=catalogue
        ).report
        assert report.cost is not None
        assert (report.cost.dollars_per_million_tokens, report.cost.source) == (
            dollars,
            "our contract",
        )


class Counter:
    """Counts a token for three bytes, as a provider might, or fails as one might."""

    synthetic = True

    def __init__(self, error: TunecurveError | None = None) -> None:
        self.asked: list[tuple[int, str]] = []
        self._error = error

    def count(self, texts: Sequence[str], *, model: str) -> list[int]:
        self.asked.append((len(texts), model))
        if self._error:
            raise self._error
        return [len(text.encode()) // 3 for text in texts]


def counted_by(counter: Counter | None) -> DatasetReport:
    rows = synthetic_rows(300, seed=2)
    spec = spec_of(train_sizes=[50])
    return prepare_rows(rows, spec, count_tokens=counter, model="gemini-3.5-flash").report


def test_the_providers_counts_narrow_the_error() -> None:
    counter = Counter()

    report = counted_by(counter)

    assert report.tokens is not None
    assert counter.asked == [(20, "gemini-3.5-flash")]
    assert (report.tokens.counted, report.tokens.synthetic) == (20, True)
    assert report.tokens.error < 0.05
    assert b"20 examples counted by an emulator" in render_report(report, Origin("ds"))


@pytest.mark.parametrize(
    ("counter", "reason"),
    [
        (None, "counting is turned off"),
        (Counter(Unavailable("Vertex AI answered 503")), "Vertex AI answered 503"),
    ],
    ids=["off", "failing"],
)
def test_a_provider_that_does_not_count_fails_no_preparation(
    counter: Counter | None, reason: str
) -> None:
    report = counted_by(counter)

    assert report.tokens is not None
    assert (report.tokens.counted, report.tokens.not_counted) == (0, reason)
    assert report.tokens.error > 0.3
    assert f"a guess, nothing counted: {reason}".encode() in render_report(report, Origin("ds"))


@pytest.mark.parametrize("counts", [[], [0] * 20, [5] * 19])
def test_counts_that_make_no_sense_teach_nothing(counts: list[int]) -> None:
    learnt = calibrate([100] * 20, counts)

    assert (learnt.factor, learnt.sample) == (1.0, 0)
    assert learnt.not_counted


def test_a_file_beyond_the_models_limit_is_refused_before_it_is_stored() -> None:
    spec = spec_of(train_sizes=[50], validation_size=1200, test_size=10)

    with pytest.raises(Invalid) as raised:
        prepare_rows(synthetic_rows(2500, seed=3), spec)

    assert [fault.code for fault in raised.value.faults] == ["validation_share_over_limit"]


# ---------------------------------------------------------------------------------- the page


class _Tags(HTMLParser):
    """Gathers tags and whatever a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_escapes_what_the_data_say_and_loads_nothing(outcome: Outcome) -> None:
    evil = "<script>alert(1)</script>"
    report = outcome.report.model_copy(update={"labels": {evil: 3}})

    page = render_report(report, Origin(evil)).decode()

    tags = _Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert tags.loaded == []
    assert "http" not in re.sub(r"docs\.[^ ]+", "", page).split("<body>")[0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Cost of tuning" in page
    assert "Training examples, masked" in page


def test_the_page_of_a_leaky_dataset_says_so_first(outcome: Outcome) -> None:
    leaky = outcome.report.model_dump()
    leaky["leakage"] = {
        "rules": ["leak_exact_input"],
        "allowed": True,
        "leaks": [
            {
                "rule": "leak_exact_input",
                "split": "test",
                "other": "train",
                "rows": 1,
                "pairs": [{"held": 12, "other": 3}],
            }
        ],
    }

    page = render_report(DatasetReport.model_validate(leaky), Origin("ds")).decode()

    assert page.index("Held-out rows leak") < page.index("Rows of the source</h2>")
    assert "12 and 3" in page


def test_a_report_of_before_is_still_read() -> None:
    old = {
        "source_rows": 3,
        "kept": 3,
        "duplicates": 0,
        "dropped": {},
        "groups": {"count": 3, "largest": 1},
        "lengths": {},
        "warnings": [{"code": "few_training_rows", "message": "3 rows"}],
    }

    report = DatasetReport.model_validate(old)

    assert report.leakage is None
    assert b"few_training_rows" in render_report(report, Origin("ds"))
