"""Masking of personally identifiable information, as in ai4privacy/pii-masking-200k."""

import re
from collections.abc import Iterable, Mapping

from service.datasets.examples import fold
from service.datasets.presets.options import PresetOptions, distinct_labels
from service.datasets.presets.preset import ConvertedExample, Preset

_LABELS = (
    "PREFIX, FIRSTNAME, LASTNAME, DATE, TIME, PHONEIMEI, USERNAME, GENDER, CITY, STATE, URL, "
    "JOBAREA, EMAIL, JOBTYPE, COMPANYNAME, JOBTITLE, STREET, SECONDARYADDRESS, COUNTY, AGE, "
    "USERAGENT, ACCOUNTNAME, ACCOUNTNUMBER, CURRENCYSYMBOL, AMOUNT, CREDITCARDISSUER, "
    "CREDITCARDNUMBER, CREDITCARDCVV, PHONENUMBER, SEX, IP, ETHEREUMADDRESS, BITCOINADDRESS, "
    "MIDDLENAME, IBAN, VEHICLEVRM, DOB, PIN, CURRENCY, PASSWORD, CURRENCYNAME, "
    "LITECOINADDRESS, CURRENCYCODE, BUILDINGNUMBER, ORDINALDIRECTION, MASKEDNUMBER, ZIPCODE, "
    "BIC, IPV4, IPV6, MAC, NEARBYGPSCOORDINATE, VEHICLEVIN, EYECOLOR, HEIGHT, SSN, LANGUAGE"
)
LABELS = tuple(_LABELS.split(", "))

_TASK = (
    "Replace every piece of personally identifiable information in the text with a generic label "
    "in square brackets, such as [FIRSTNAME]. Keep everything else unchanged and return only the "
    "text.\nLabels: "
)

# [FIRSTNAME], [PHONE NUMBER], <PERSON>, {{first_name}} and [ИМЯ], as masking tasks write them. The
# pattern is read by Rust, too, whose `\w` has combining characters.
PLACEHOLDER = re.compile(
    r"\[[^\W\d_][\w\u0300-\u036f-]*(?: [A-Z0-9_-]+)*\]|<[^\W\d_][\w\u0300-\u036f-]*>"
    r"|\{\{\s*[^\W\d_][\w\u0300-\u036f-]*\s*\}\}"
)


def template_of(masked: str) -> str:
    """Return a masked text with its placeholders blanked: what rows of one template share.

    In generated data nearly every row of a random test split has its template in train (99.9 %
    of presidio's); splitting by this text keeps them apart.
    """
    return fold(PLACEHOLDER.sub("[]", masked))


def _convert(fields: Mapping[str, str]) -> ConvertedExample:
    source, target = fields["source_text"].strip(), fields["target_text"].strip()
    text = f"Text: {source}" if source else ""
    return ConvertedExample(text, target, (target,), template_of(target), (text, target))


def pii_preset(options: PresetOptions) -> Preset:
    """Return the preset with labels and an instruction of the options, or those of ai4privacy.

    Raises Invalid `template_not_allowed` and so on. Source and target keep their inner white space
    and case: the task is to change nothing else.
    """
    options.allow_only("labels", "instruction", preset="pii")

    def instruction_for(labels: Iterable[str]) -> str:
        joined = ", ".join(labels)
        return options.instruction_or(f"{_TASK}{joined}", labels=joined)

    from_train = options.labels == "train"
    distinct_labels(() if isinstance(options.labels, str) else options.labels)
    return Preset(
        name="pii",
        instruction=instruction_for(LABELS if from_train else options.labels or LABELS),
        columns=("source_text", "target_text"),
        metrics=("sacrebleu", "pii_entity_f1", "pii_leak_rate", "exact_match"),
        convert=_convert,
        placeholders=True,
        labels_of_train=instruction_for if from_train else None,
    )


PII = pii_preset(PresetOptions())
INSTRUCTION = PII.instruction
