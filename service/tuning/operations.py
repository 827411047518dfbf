"""The room's door: what can be done with tunings and models."""

from service.tuning.kinds import POLL as POLL
from service.tuning.kinds import tune_kind as tune_kind
from service.tuning.reading import ModelView as ModelView
from service.tuning.reading import delete_model as delete_model
from service.tuning.reading import get_model as get_model
from service.tuning.reading import list_models as list_models
from service.tuning.reading import ready_model as ready_model
from service.tuning.running import Providers as Providers
from service.tuning.running import TuningPace as TuningPace
from service.tuning.running import run_poll as run_poll
from service.tuning.running import run_tune as run_tune
from service.tuning.sweeping import has_due_tunings as has_due_tunings
from service.tuning.sweeping import poll_tunings as poll_tunings
