"""The room's door: what can be done with experiments."""

from service.experiments.kinds import experiment_kind as experiment_kind
from service.experiments.reading import delete_experiment as delete_experiment
from service.experiments.reading import get_experiment as get_experiment
from service.experiments.reading import list_experiments as list_experiments
from service.experiments.running import run_experiment as run_experiment
from service.experiments.summary import TABLE as TABLE
