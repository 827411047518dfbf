"""A GPT-2 small enough to be trained in seconds, made on the spot: for demos, tests, first steps.

`python -m service.inference.local.tiny_gpt2 FOLDER FILE` makes one whose tokenizer is trained on
the lines of a file. It has learned nothing yet, its tokenizer aside: only training all of it, or an
adapter with `ln_f` and `wte` beside it, makes something of it.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_END, _PAD = "<|endoftext|>", "<|pad|>"


def make_tiny_gpt2(
    folder: Path,
    texts: Iterable[str],
    *,
    vocabulary: int = 2000,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 2,
    places: int = 256,
    seed: int = 0,
) -> None:
    """Write a model with random weights and a byte-pair tokenizer trained on the texts."""
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    tokenizer = _tokenizer(texts, vocabulary=vocabulary, places=places)
    tokenizer.save_pretrained(folder)
    set_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=places,
        n_embd=hidden,
        n_layer=layers,
        n_head=heads,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)


def _tokenizer(texts: Iterable[str], *, vocabulary: int, places: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_END, _PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=learned,
        bos_token=_END,
        eos_token=_END,
        pad_token=_PAD,
        model_max_length=places,
    )


if __name__ == "__main__":
    make_tiny_gpt2(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
