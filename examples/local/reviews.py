"""Writes reviews made of word lists, for a first training on this machine: `reviews.py FILE ROWS`.

They are synthetic, and much easier than what people write: one word gives the sentiment away.
"""

import csv
import random
import sys
from pathlib import Path

WORDS = {
    "positive": ["delightful", "superb", "charming", "brilliant", "lovely", "gripping", "witty"],
    "negative": ["dreadful", "tedious", "clumsy", "shallow", "boring", "messy", "bland"],
    "neutral": ["recent", "foreign", "two-part", "long", "local", "animated", "historical"],
}
THINGS = ["film", "novel", "play", "concert", "series", "recording", "exhibition"]
PEOPLE = ["my sister", "the whole town", "our neighbour", "everyone at work", "the critic"]
PLACES = ["in the old cinema", "on the train", "at home", "by the sea", "in the park"]


def reviews(rows: int, *, seed: int = 0) -> dict[str, str]:
    """Return distinct reviews with their sentiments; the same seed gives the same ones."""
    draw, made = random.Random(seed), dict[str, str]()  # noqa: S311  nothing secret
    while len(made) < rows:
        sentiment = draw.choice(list(WORDS))
        parts = (
            f"{draw.choice(PEOPLE)} saw a {draw.choice(WORDS[sentiment])} {draw.choice(THINGS)}",
            draw.choice(PLACES),
            f"and told {draw.choice(PEOPLE)} about it on day {draw.randrange(1, 400)}",
        )
        made[" ".join(parts)] = sentiment
    return made


def main(file: Path, rows: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "sentiment"])
        writer.writerows(reviews(rows).items())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
