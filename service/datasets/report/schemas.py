"""The report of a dataset, as it is stored and shown."""

from pydantic import BaseModel, ConfigDict, Field

from service.datasets.examples import Split
from service.datasets.row_faults import Level


class StoredRows(BaseModel):
    """A file of rows in the object store."""

    model_config = ConfigDict(frozen=True)

    key: str
    uri: str
    sha256: str
    rows: int


class TuningRows(StoredRows):
    """A tuning file; its rows teach the chosen answers where they are pairs."""

    pairs: StoredRows | None = Field(
        default=None,
        description="the same rows as pairs of a chosen and a rejected answer, for preference "
        "tuning; null where they are no pairs",
    )


class Dropped(BaseModel):
    model_config = ConfigDict(frozen=True)

    rows: int
    first_rows: list[int] = Field(description="numbers of the first rows concerned")


class Groups(BaseModel):
    """Rows of a group are never in two splits."""

    model_config = ConfigDict(frozen=True)

    count: int
    largest: int = Field(description="rows of the largest group")
    tested: int | None = Field(default=None, description="groups that test rows come from")


class Grain(BaseModel):
    """What it costs and leaks to keep such groups together: one that was or could be chosen."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="as the option `group` names it")
    chosen: bool = Field(description="the dataset was split by it")
    groups: int = Field(description="how many there are")
    largest: int = Field(description="rows of the largest group")
    groups_tested: int = Field(description="groups that test rows come from")
    unused_rows: int = Field(description="rows of held-out groups that are in no split")
    shared: str = Field(default="", description="the other grain, for the next member")
    shared_test_rows: int = Field(
        default=0, description="test rows whose group of the other grain is trained on, too"
    )


class Lengths(BaseModel):
    """Percentiles in characters."""

    model_config = ConfigDict(frozen=True)

    p50: int
    p95: int
    p99: int
    max: int


class DatasetWarning(BaseModel):
    """A rule that some rows, or the dataset as a whole, did not pass; `code` names the rule."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    level: Level = Level.WARNING
    field: str = ""
    rows: int | None = Field(default=None, description="null where it is about no single rows")
    first_rows: list[int] = []


class Bar(BaseModel):
    """Rows with a value from `low` on and below `high`."""

    model_config = ConfigDict(frozen=True)

    low: int
    high: int
    rows: int


class RowPair(BaseModel):
    model_config = ConfigDict(frozen=True)

    held: int
    other: int


class Leak(BaseModel):
    """`rows` rows of `split` are too like rows of `other`; the first pairs by row number."""

    model_config = ConfigDict(frozen=True)

    rule: str
    split: Split
    other: Split
    rows: int
    pairs: list[RowPair]


class LeakageReport(BaseModel):
    """`allowed` is true where leaks were found and the spec allowed them."""

    model_config = ConfigDict(frozen=True)

    rules: list[str]
    leaks: list[Leak]
    allowed: bool


class TokenReport(BaseModel):
    """Estimated tokens of all examples; `error` is relative, for sums; `counted` rows were
    counted by the provider, and where that is 0 the error is a guess and `not_counted` says why.
    `synthetic`: an emulator has counted.
    """

    model_config = ConfigDict(frozen=True)

    text: int
    target: int
    error: float
    counted: int
    not_counted: str = ""
    synthetic: bool = False


class CostRow(BaseModel):
    """What tuning on so many examples for so many epochs costs, from low to high."""

    model_config = ConfigDict(frozen=True)

    train_size: int
    epochs: int
    tokens_low: int
    tokens_high: int
    dollars_low: float | None
    dollars_high: float | None


class TuningCost(BaseModel):
    """Prices are quoted, not promised: `source` and `as_of` say by whom and when."""

    model_config = ConfigDict(frozen=True)

    model: str
    dollars_per_million_tokens: float | None
    source: str
    as_of: str
    rows: list[CostRow]
    preference: list[CostRow] = Field(
        default=[], description="of preference tuning, where the rows are pairs"
    )


class SampleRow(BaseModel):
    """A training example whose personal data were masked as far as patterns find them."""

    model_config = ConfigDict(frozen=True)

    row: int
    text: str
    target: str
    rejected: str = Field(default="", description="the answer of a pair that was not chosen")


class DatasetReport(BaseModel):
    """Where every row of the source went: `source_rows` is `kept` and all that was dropped."""

    model_config = ConfigDict(frozen=True)

    source_rows: int
    kept: int
    duplicates: int
    dropped: dict[str, Dropped] = Field(description="by reason; duplicates are one of them")
    groups: Groups
    grains: list[Grain] = Field(
        default=[], description="where the test was made by hash: the chosen grain, and another"
    )
    lengths: dict[str, Lengths] = Field(description="of `text` and `target`")
    warnings: list[DatasetWarning]
    manifest: StoredRows | None = None
    near_duplicate_threshold: float | None = None
    leakage: LeakageReport | None = None
    tokens: TokenReport | None = None
    cost: TuningCost | None = None
    labels: dict[str, int] = Field(default={}, description="rows by label, the 100 most frequent")
    histograms: dict[str, list[Bar]] = Field(
        default={}, description="of characters and tokens in texts and targets"
    )
    pii: dict[str, int] = Field(
        default={}, description="examples with personal data of a kind, among `pii_rows` looked at"
    )
    pii_rows: int = 0
    samples: list[SampleRow] = []
