"""``steer config``."""

from __future__ import annotations

from steer.cli.console import print_line
from steer.cli.options import AsJson, Config, Settings
from steer.config import DEFAULT


def config(config: Config = DEFAULT, settings: Settings = None, as_json: AsJson = False) -> None:
    """Print the settings that a run would use, as a YAML file with a comment on each.

    steer config --config flux2-klein --set renderer.steps=8 > mine.yaml

    Edit the file and use it with --config mine.yaml.
    """
    from steer.config import load_config
    from steer.config.reference import as_yaml

    loaded = load_config(config, settings or (), typed_as="--set")
    print_line(loaded.model_dump_json() if as_json else as_yaml(loaded))
