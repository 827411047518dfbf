"""The room's door: what can be done with evaluations."""

from service.evaluation.asking import Calling as Calling
from service.evaluation.batch_lane import Batching as Batching
from service.evaluation.completing import TABLE as TABLE
from service.evaluation.kinds import ASK as ASK
from service.evaluation.kinds import evaluate_kind as evaluate_kind
from service.evaluation.reading import delete_evaluation as delete_evaluation
from service.evaluation.reading import get_evaluation as get_evaluation
from service.evaluation.reading import list_evaluations as list_evaluations
from service.evaluation.reading import table_key_of as table_key_of
from service.evaluation.requests import Target as Target
from service.evaluation.running import run_ask as run_ask
from service.evaluation.running import run_evaluate as run_evaluate
from service.evaluation.sharding import Fleet as Fleet
