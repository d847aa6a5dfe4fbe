"""Which versions were made from others that are not the current ones any more."""

from collections.abc import Iterable

from libs.ledger.records import Records
from libs.models import DatasetInput, Lineage


def outdated(records: Records, lineage: Iterable[Lineage]) -> dict[str, list[str]]:
    """Of versions, the inputs that have another current version now than the one that was read. Those named with a number stay.

    Args:
        records: Know the current versions.
        lineage: Of the versions.

    Returns:
        The current versions of these inputs, by the version that does not know them.
    """
    following = {record.id: _followed(record) for record in lineage}
    wanted = {dataset_id for read in following.values() for dataset_id in read}
    current = records.current(wanted) if wanted else {}
    found = {
        identity: [current[name].id for name, version in read.items() if name in current and current[name].version != version]
        for identity, read in following.items()
    }
    return {identity: newer for identity, newer in found.items() if newer}


def _followed(record: Lineage) -> dict[str, int]:
    """The inputs of a version that were named without a number, and the versions of them that were read."""
    inputs = [DatasetInput.model_validate(each) for each in record.manifest.get("inputs", ())]
    own = [each for each in inputs if each.name is not None or each.dataset_id == record.dataset_id]
    named = {each.named[0] for each in own if each.named[1] is None}
    return {version.dataset_id: version.version for version in record.datasets if version.dataset_id in named}
