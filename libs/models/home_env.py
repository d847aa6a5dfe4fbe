"""The file ``.env`` beside the home: it holds wherever the home is worked with, also from folders below."""

import os
from pathlib import Path
from typing import Any, cast, get_args

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource

_PLACES = ("spatial_etl_landing", "spatial_etl_lake", "spatial_etl_openlineage")
"""Settings that are a folder, or something with ``://``."""


def env_beside(home: Path) -> Path | None:
    """The ``.env`` beside a home; None where there is none that counts.

    The one of the working folder is read anyway. It must be the user's own, or root's: others may write to a folder such as
    ``/tmp``. And the home must be called ``var``: what lies beside another folder belongs to something else.
    """
    file = home.parent / ".env"
    try:
        if home.name != "var" or file.samefile(".env"):
            return None
    except OSError:
        pass  # one of the two is not there
    try:
        return file if file.is_file() and file.stat().st_uid in {os.geteuid(), 0} else None
    except OSError:
        return None


class HomeEnv(PydanticBaseSettingsSource):
    """Settings from this file, below all that was said otherwise.

    Args:
        settings: The class of the settings.
        working: The source that reads the ``.env`` of the working folder. Where that one is not to be read, neither is this.
        found: Where the home is, if nothing says so.
    """

    def __init__(self, settings: type[BaseSettings], working: DotEnvSettingsSource, found: Path | None) -> None:
        super().__init__(settings)
        self._reads, self._found = working.env_file is not None, found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the file is read as a whole."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """What the file says. Its relative paths are relative to its own folder."""
        home = self.current_state.get("spatial_etl_home", self._found)
        file = env_beside(Path(home)) if self._reads and home else None
        if file is None:
            return {}
        said = DotEnvSettingsSource(self.settings_cls, env_file=file)()
        return {name: self._placed(file.parent, name, value) for name, value in said.items()}

    def _placed(self, folder: Path, name: str, value: Any) -> Any:
        field = self.settings_cls.model_fields.get(name)
        if field is None or not isinstance(value, str) or not value or "://" in value:
            return value
        is_path = name in _PLACES or Path in (field.annotation, *get_args(cast("Any", field.annotation)))
        return str(folder / value) if is_path else value
