"""Models trained on this machine: they learn, are seen while they do, stop, and continue."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import Invalid, NotFound
from service.evaluation.models import Prediction
from service.inference.local.folders import LocalTask
from service.jobs.ports import JobCancelled, Preempted
from service.storage.leftovers import LeftoverKind
from service.tuning.curves.records import training_curves
from service.tuning.local_tuning import run_local_tuning
from service.tuning.ports import MetricSeries
from service.tuning.removal import remove_model
from tests.support.local_models import BASE, CLASSIFIER, SIZES, WRITER, LocalRoom, open_local_room
from tests.support.runs import MemoryRun

STEPS = 5 * 25  # of five epochs of 400 rows in batches of 16
SHORT = {**CLASSIFIER, "hyperparameters": {"epochs": 3}, "train_size": 50, "fresh": True}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[LocalRoom]:
    with open_local_room(tmp_path_factory.mktemp("room"), migrated=migrated_sqlite) as opened:
        yield opened


@dataclass
class Interrupted(MemoryRun):
    """A run that something happens to at a step of its training."""

    at_step: int = 0
    happens: BaseException | None = None
    last_step: int = 0

    def report(self, done: int, total: int | None, *, unit: str, stage: str = "") -> None:
        super().report(done, total, unit=unit, stage=stage)
        self.last_step = done

    def check(self) -> None:
        if self.last_step == self.at_step and self.happens and not self.preempted:
            raise self.happens


def interrupted(run: MemoryRun, *, at_step: int, happens: BaseException) -> Interrupted:
    """Return a run of the same job, to which something happens."""
    kept = (run.id, run.project_id, run.spec, run.outputs, run.sessions)
    return Interrupted(*kept, at_step=at_step, happens=happens)


def losses(room: LocalRoom, run: MemoryRun) -> list[float]:
    _, points = training_curves(
        run.outputs["model"], project_id=room.project_id, sessions=room.services.sessions
    )
    return [each.value for each in points if each.series is MetricSeries.VALIDATION_LOSS]


@pytest.fixture(scope="module")
def trained(room: LocalRoom) -> MemoryRun:
    """A classifier that nothing has interrupted."""
    run = room.reserve_tuning(**CLASSIFIER)
    room.train(run)
    return run


def test_a_tiny_gpt2_learns_to_classify_and_its_model_says_how(
    room: LocalRoom, trained: MemoryRun
) -> None:
    model = room.model(trained)
    assert model.ready_at is not None
    assert model.location == "local"
    assert not model.synthetic
    assert model.hyperparameters["learning_rate"] == 2e-3
    assert model.statistics["tuning_step_count"] == STEPS
    from service.inference.local.loader import compute_device

    assert model.statistics["device"] == compute_device().type
    assert model.statistics["training_hours"] > 0
    assert [each["epoch"] for each in model.checkpoints] == [1, 2, 3, 4, 5]
    assert model.checkpoints[-1]["endpoint"] == model.endpoint
    assert trained.progress[-1] == (STEPS, STEPS, "training")
    evaluation, scores = room.evaluate(variant="tuned", model=model.id)
    assert scores["accuracy"] >= 95.0
    assert not evaluation.synthetic
    assert evaluation.setup is not None
    assert evaluation.setup["instruction"] == ""


def test_curves_have_loss_and_accuracy_of_training_and_validation(
    room: LocalRoom, trained: MemoryRun
) -> None:
    _, points = training_curves(
        trained.outputs["model"], project_id=room.project_id, sessions=room.services.sessions
    )
    series = {each.series for each in points}
    assert series == set(MetricSeries)
    steps = [each.step for each in points if each.series is MetricSeries.VALIDATION_ACCURACY]
    assert steps == [25, 50, 75, 100, 125]
    found = losses(room, trained)
    assert found[-1] < 0.5 * found[0]


def test_every_checkpoint_can_be_asked_and_the_first_knows_less_than_the_last(
    room: LocalRoom, trained: MemoryRun
) -> None:
    model = room.model(trained)
    scores = [
        room.evaluate(variant="tuned", model=model.id, checkpoint=number)[1]["accuracy"]
        for number in ("1", "5")
    ]
    assert scores[0] < scores[1]
    assert scores[1] >= 95.0


@pytest.fixture(scope="module")
def short(room: LocalRoom) -> MemoryRun:
    """A short training that nothing has interrupted: three epochs of four steps."""
    run = room.reserve_tuning(**SHORT)
    room.train(run)
    return run


def test_another_seed_gives_another_model(room: LocalRoom, short: MemoryRun) -> None:
    other = room.reserve_tuning(**{**SHORT, "local": {**CLASSIFIER["local"], "seed": 7}})
    room.train(other)
    assert losses(room, other)[-1] != pytest.approx(losses(room, short)[-1], abs=5e-4)


def test_an_identical_training_is_used_again_with_files_of_its_own(
    room: LocalRoom, short: MemoryRun
) -> None:
    first = room.model(short)
    run = room.reserve_tuning(**{**SHORT, "fresh": False})
    again = room.train(run)
    assert again.reused_from == short.id
    assert run.progress == []  # no step was taken
    assert losses(room, run) == losses(room, short)
    assert str(again.endpoint) != str(first.endpoint)
    assert again.id in str(again.endpoint)
    assert [each["epoch"] for each in again.checkpoints] == [1, 2, 3]
    scores = [room.evaluate(model=each.id, variant="tuned")[1] for each in (first, again)]
    assert scores[0] == scores[1]
    other = room.reserve_tuning(**{**SHORT, "fresh": False, "replicate": 1})
    assert room.train(other).reused_from is None  # another seed


class Killed(BaseException):
    """The worker is gone: nothing is cleaned up."""


def test_a_run_that_is_taken_over_ends_with_the_loss_of_one_that_nothing_has_happened_to(
    room: LocalRoom, short: MemoryRun
) -> None:
    run = room.reserve_tuning(**SHORT)
    with pytest.raises(Killed):
        room.train(interrupted(run, at_step=10, happens=Killed()))
    model = room.train(run)
    assert [done for done, *_ in run.progress] == list(range(9, 13))  # from the second epoch on
    assert losses(room, run) == pytest.approx(losses(room, short), abs=5e-4)
    assert len(model.checkpoints) == 3
    assert not (room.services.local_tuning.folder / run.id).exists()


def test_a_preempted_run_saves_its_step_and_continues_from_there(
    room: LocalRoom, short: MemoryRun
) -> None:
    run = room.reserve_tuning(**SHORT)
    with pytest.raises(Preempted):
        room.train(interrupted(run, at_step=6, happens=Preempted()))
    folder = room.services.local_tuning.folder / run.id
    assert [each.name for each in folder.glob("checkpoint-*")] == ["checkpoint-6"]
    room.train(run)
    assert [done for done, *_ in run.progress] == list(range(7, 13))
    assert losses(room, run) == pytest.approx(losses(room, short), abs=5e-4)


def test_a_checkpoint_that_was_never_finished_is_not_gone_on_from(
    room: LocalRoom, short: MemoryRun
) -> None:
    run = room.reserve_tuning(**SHORT)
    torn = room.services.local_tuning.folder / run.id / "checkpoint-8"
    torn.mkdir(parents=True)
    (torn / "model.safetensors").write_bytes(b"half of it")
    room.train(run)
    assert losses(room, run) == pytest.approx(losses(room, short), abs=5e-4)


def test_a_cancel_stops_within_a_step_and_leaves_nothing(room: LocalRoom) -> None:
    run = room.reserve_tuning(**SHORT)
    broken = interrupted(run, at_step=6, happens=JobCancelled())
    with pytest.raises(JobCancelled):
        room.train(broken)
    assert broken.last_step == 6
    run.cancelling = True
    with pytest.raises(JobCancelled):
        room.train(run)
    assert not (room.services.local_tuning.folder / run.id).exists()


def test_a_causal_lm_with_an_adapter_learns_its_task(room: LocalRoom) -> None:
    run = room.reserve_tuning(**WRITER)
    model = room.train(run)
    assert model.statistics["trained_parameters"] < model.statistics["parameters"] / 2
    [adapter] = [
        key
        for key in room.services.store.keys_below(str(model.resource_name))
        if key.endswith("adapter_config.json")
    ]
    with room.services.store.open(adapter) as stream:
        assert json.load(stream)["base_model_name_or_path"] == BASE
    _, scores = room.evaluate(variant="tuned", model=model.id, max_output_tokens=4)
    assert scores["accuracy"] >= 95.0


def test_a_base_is_prompted_without_and_with_shots(room: LocalRoom) -> None:
    plain, _ = room.evaluate(variant="zero_shot", base_model=BASE, max_output_tokens=4)
    shown, _ = room.evaluate(variant="few_shot", shots=2, base_model=BASE, max_output_tokens=4)
    for evaluation in (plain, shown):
        assert evaluation.rows == 100
        assert not evaluation.synthetic
        assert evaluation.usage["prompt_tokens"] > 0


def test_a_classifier_tells_the_probabilities_of_its_labels(
    room: LocalRoom, short: MemoryRun
) -> None:
    evaluation, _ = room.evaluate(variant="tuned", model=room.model(short).id)
    with room.services.sessions.reading() as session:
        rows = session.query(Prediction).filter_by(evaluation_id=evaluation.id).all()
    assert len(rows) == 100
    for row in rows:
        reported = row.usage["labelProbabilities"]
        assert set(reported) == {"bad", "good"}
        assert sum(reported.values()) == pytest.approx(1, abs=1e-3)
        assert row.text == max(reported, key=reported.get)


def test_what_does_not_fit_is_refused_before_it_is_loaded(room: LocalRoom) -> None:
    services = room.services.local_tuning
    small = replace(services, models=replace(services.models, memory_bytes=1 << 20))
    run = room.reserve_tuning(**SHORT)
    with pytest.raises(Invalid, match="1 MiB are available") as caught:
        run_local_tuning(run, small)
    assert caught.value.code == "memory_not_enough"
    assert run.progress == []


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["gpt2", "bert", "qwen3", "gemma3_text"])
def test_what_autograd_keeps_of_a_batch_is_within_the_estimate(
    kind: str, precision: str, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from service.inference.local.memory import need_of_training
    from service.inference.local.model_shape import read_shape

    batch, length, has_bf16 = 4, 48, precision == "bf16"
    sizes = {"hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 3, "head_dim": 48}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 300}
    config = AutoConfig.for_model(kind, **sizes, **heads, is_decoder=True, pad_token_id=0)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    ids = torch.ones(batch, length, dtype=torch.long)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16),
    ):
        outputs = model.train()(input_ids=ids, labels=ids)
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    found = sum(size for place, size in kept.items() if place not in weights)
    need = need_of_training(
        read_shape(tmp_path, device=torch.device("cpu")),
        trained=0,
        batch_size=batch,
        length=length,
        predicts_tokens=True,
        bf16=has_bf16,
    )
    copies = 2 * need.loading // 4 if has_bf16 else 0
    assert outputs.loss.isfinite()
    assert found < need.activations + copies < 2.5 * found


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of PEFT, as a worker ignores it
def test_a_layer_below_the_head_is_trained_whole_beside_an_adapter() -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from service.tuning.local_spec import LocalTrainingSpec
    from service.tuning.providers.local.adapters import with_adapter
    from service.tuning.providers.local.plan import plan_training
    from service.tuning.schemas import HyperparametersSpec

    config = AutoConfig.for_model(
        "distilbert", dim=32, n_layers=1, n_heads=2, hidden_dim=64, vocab_size=50
    )
    plan = plan_training("local:a", LocalTrainingSpec(), HyperparametersSpec(adapter_size=4))
    model = with_adapter(AutoModelForSequenceClassification.from_config(config), plan)
    learned = {name for name, each in model.named_parameters() if each.requires_grad}
    assert any("pre_classifier" in name and "lora" not in name for name in learned)
    assert any("q_lin.lora_A" in name for name in learned)


def test_the_loss_of_a_classifier_has_32_bits_though_its_logits_have_16() -> None:
    import torch

    from service.tuning.providers.local.training import classification_loss

    outputs = SimpleNamespace(logits=torch.tensor([[0.3, -0.7]], dtype=torch.bfloat16))
    loss = classification_loss(outputs, torch.tensor([0]))
    there = torch.nn.functional.cross_entropy(outputs.logits, torch.tensor([0]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.31326, abs=1e-3)
    assert loss.item() != there.item()


def test_weights_in_other_files_are_not_loaded(room: LocalRoom) -> None:
    folder = Path(room.services.settings.local_models)
    pickled = folder / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(Invalid) as caught:
        room.train(room.reserve_tuning(base_model="local:pickled"))
    assert caught.value.code == "weights_not_safetensors"


def _configured(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> object:
        file = folder / "config.json"
        return file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def _linked_out(folder: Path) -> None:
    outside = folder.with_suffix(".safetensors")
    (folder / "model.safetensors").rename(outside)
    (folder / "model.safetensors").symlink_to(outside)


def _indexed_out(folder: Path) -> None:
    index = {"metadata": {}, "weight_map": {"a": "../tiny-gpt2/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _cut(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)


def _without_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_configured(n_layer=3), "do not fit its config.json"),
        (_configured(n_embd=32), "do not fit its config.json|cannot load damaged"),
        (_configured(vocab_size=50), "do not fit its config.json|cannot load damaged"),
        (_configured(n_head=3), "cannot load damaged"),
        (_configured(model_type="evil", auto_map={"AutoConfig": "evil.C"}), "no code of a model's"),
        (_configured(is_encoder_decoder=True), "an encoder with a decoder"),
        (
            _configured(quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}),
            "cannot load damaged",
        ),
        (_linked_out, "leads out of its folder"),
        (_indexed_out, "leads out of its folder"),
        (_cut, "damaged or a cut one"),
        (_without_tokenizer, "has no vocabulary"),
    ],
)
def test_a_faulty_base_is_refused_in_plain_words_and_no_weight_is_made_up(
    room: LocalRoom, tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    from service.inference.local.loader import load_base, prepare_torch, read_model, read_tokenizer
    from service.inference.local.memory import count_parameters

    shutil.copytree(Path(room.services.settings.local_models) / "tiny-gpt2", tmp_path / "damaged")
    damage(tmp_path / "damaged")
    models = replace(room.services.local_tuning.models, folder=str(tmp_path))
    with pytest.raises(Invalid, match=words) as asked:
        load_base("local:damaged", models, prepare_torch(models))
    assert str(tmp_path) not in asked.value.message
    with pytest.raises(Invalid, match=words):
        folder = models.base("local:damaged")
        count_parameters(folder)
        tokenizer = read_tokenizer(folder)
        read_model(folder, LocalTask.SEQUENCE_CLASSIFICATION, tokenizer, labels=("a", "b"))


def test_a_model_that_is_deleted_leaves_its_folder_to_be_erased(room: LocalRoom) -> None:
    once = {"train_size": SIZES[0], "hyperparameters": {"epochs": 2}}
    run = room.reserve_tuning(**once, export_last_checkpoint_only=True)
    model = room.train(run)
    assert [each["epoch"] for each in model.checkpoints] == [2]
    with room.services.sessions.transaction() as session:
        [leftover] = remove_model(session, model.id, project_id=room.project_id)
    assert leftover.kind is LeftoverKind.FOLDER
    assert str(model.resource_name).startswith(leftover.target)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"base_model": "local:unknown"}, "local_model_not_found"),
        ({"base_model": f"local:owner/name@{'0' * 40}"}, "hub_model_not_here"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_plain_words(
    room: LocalRoom, spec: dict[str, object], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    run = room.reserve_tuning(**spec)
    with pytest.raises((Invalid, NotFound)) as caught:
        room.train(run)
    assert caught.value.code == code
    assert not (room.services.local_tuning.folder / run.id).exists()
