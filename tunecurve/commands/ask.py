"""`tunecurve ask`: put one text to a model."""

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.errors import UsageError
from tunecurve.money import money_text
from tunecurve.output import OutputFormat, print_json, print_message

Json = dict[str, Any]


def ask(  # noqa: PLR0913 - typer turns each argument into an option
    model: Annotated[str, typer.Argument(help="model_…, or the name of a base model.")],
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    *,
    system: Annotated[str | None, typer.Option(help="System instruction.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="ds_…: put the text as this dataset puts its inputs.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="0: the likeliest answer.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(help="Length at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="For temperatures above 0.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Put one text to a base or tuned model and print its answer.

    It counts against the quota and is paid for as any call; what it cost goes to standard error.
    """
    said = sys.stdin.read() if text == "-" else text
    if not said:
        raise UsageError("there is no text to put to the model")
    settings = {
        "system": system,
        "dataset": dataset,
        "temperature": temperature,
        "max_output_tokens": max_output_tokens,
        "seed": seed,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    with connect(url, key) as client:
        if stream and output is OutputFormat.TABLE:
            answer = _print_pieces(client.generate_stream(model, said, **given))
        else:
            answer = client.generate(model, said, **given)
    if output is OutputFormat.JSON:
        print_json(answer)
        return
    if not stream:
        print(answer["text"])
    print_message(_summary(answer))


def _print_pieces(events: Iterable[Json]) -> Json:
    """Print the pieces of an answer as they come; return the whole."""
    last: Json = {}
    try:
        for last in events:
            if "object" not in last:
                print(last["text"], end="", flush=True)
    finally:
        print()
    return last


def _summary(answer: Json) -> str:
    outcome = "" if answer["outcome"] == "ok" else f"{answer['outcome']}, "
    price = money_text(answer["cost"])
    cost = "cost unknown" if answer["cost"] is None else f"{price} {answer['currency']}"
    synthetic = ", SYNTHETIC: the emulator answered" if answer["synthetic"] else ""
    tokens = f"{answer['prompt_tokens']} + {answer['output_tokens']} tokens"
    return f"{outcome}{tokens}, {cost}, at {answer['location']}{synthetic}"
