"""The sources we know, by the type a spec names."""

from service.datasets.sources.file import UploadedFile
from service.datasets.sources.gs import CloudObject
from service.datasets.sources.hub import HubDataset
from service.datasets.sources.source import Source
from service.datasets.sources.synthetic import SyntheticPii
from service.registry import Registry

SOURCES: Registry[Source] = Registry(
    "source",
    {
        "file": UploadedFile(),
        "gs": CloudObject(),
        "hub": HubDataset(),
        "synthetic": SyntheticPii(),
    },
)
