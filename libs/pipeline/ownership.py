"""Whose a dataset is: who delivered its first version. Others need leave, as far as a setting asks for it."""

import shlex
from collections.abc import Mapping
from typing import Any

from libs.ledger import Records
from libs.models import Asset, Manifest, Owner
from libs.models.policies import ChangePolicy
from libs.pipeline.naming import slug

POLICIES: Mapping[str, ChangePolicy] = {"off": "allow", "warn": "warn", "reject": "reject"}
"""What the setting ``SPATIAL_ETL_OWNERS`` comes to."""


def deliverer(manifest: Manifest) -> Owner:
    """Who delivers a batch: the owner of the datasets that are new with it."""
    project = manifest.metadata.get("project")
    return Owner(project=None if project is None else str(project), uploader=manifest.uploader)


def of_others(past: Records, assets: Mapping[str, Asset], by: Owner) -> dict[str, Owner]:
    """The owners of those datasets that somebody may not deliver.

    The same project or the same uploader may, and so may a project or uploader who has been granted it.

    Args:
        past: Knows the owners and grants.
        assets: A version of each dataset, by dataset.
        by: Who delivers.
    """
    foreign = {dataset_id: owner for dataset_id, owner in past.owners(assets).items() if not _same(owner, by)}
    if not foreign:
        return {}
    grants = past.grants(next(iter(foreign)) if len(foreign) == 1 else None)
    return {
        dataset_id: owner
        for dataset_id, owner in foreign.items()
        if not any(each.allowed and _is(each.to, by) for each in grants.get(dataset_id, {}).values())
    }


def said(dataset_id: str, owner: Owner, by: Owner) -> tuple[str, str]:
    """Message and remedy of a delivery to another's dataset."""
    message = f"The dataset {dataset_id!r} belongs to {owner}; this delivery is of {by}."
    grant = f"spatial-etl admin grant {dataset_id} --to {shlex.quote(by.project or by.uploader)}"
    other = f'If it is another dataset, write "dataset_id": "{dataset_id}_2" for this file in the manifest.'
    return message, f"{other} If it is meant, its owner types: {grant}"


def _same(owner: Owner, by: Owner) -> bool:
    return owner.uploader == by.uploader or (owner.project is not None and _project(owner.project) == _project(by.project))


def _is(name: str, by: Owner) -> bool:
    return name == by.uploader or _project(name) == _project(by.project)


def _project(name: Any) -> str | None:
    """As it begins identifiers; one that has no letter or digit as it stands."""
    return None if name is None else slug(name) or str(name)
