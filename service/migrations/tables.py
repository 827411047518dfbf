"""Every table of every room, gathered for migrations."""

import service.datasets.models
import service.erasure.models
import service.evaluation.models
import service.experiments.models
import service.files.models
import service.inference.models
import service.jobs.models
import service.model_registry.models
import service.projects.models
import service.tuning.models
import service.webhooks.models  # noqa: F401  importing a module registers its tables
from service.database import Model

metadata = Model.metadata
