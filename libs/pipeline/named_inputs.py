"""Named inputs of a batch: files and versions that the steps of its recipe look things up in. No dataset is made of them."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute.engine import Source, Workspace
from libs.models import FileSpec, FileType, InputLayer, Manifest, Policies, Problem, Rejected
from libs.models.policies import effective
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.naming import lake_columns
from libs.pipeline.progress import Event, Progress
from libs.pipeline.staging import StagedFile, stage
from libs.spatial_utils.reading import LayerStream, ReadLimits, SourceFile, read_source
from libs.transformations import Recipe


def named_problems(manifest: Manifest, recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the names of a batch's inputs: the recipe must know each, and needs all that it declares.

    Args:
        manifest: As it was delivered.
        recipe: That of its intent.
    """
    declared = {each.name: each for each in recipe.inputs}
    given = {f"files[{index}]": file for index, file in manifest.named_files.items()}
    named = {where: file.name for where, file in given.items()}
    named |= {f"inputs[{index}]": each.name for index, each in enumerate(manifest.inputs) if each.name is not None}
    known = f"Its inputs: {', '.join(declared)}." if declared else "It takes none."
    for where, name in named.items():
        if name not in declared:
            yield Problem(
                code="unknown_input", where=f"{where}.name", message=f"The recipe {recipe.name!r} has no input {name!r}.",
                remedy=f"Correct the 'intent' or the 'name'. {known}",
            )  # fmt: skip
    for name, each in declared.items():
        if name not in named.values():
            yield Problem(
                code="missing_input", where="files", message=f"The recipe {recipe.name!r} needs an input named {name!r}.",
                remedy=f'Give a file or dataset the key "name": "{name}", or write --input {name}=FILE: {each.description}',
            )  # fmt: skip
    for where, file in given.items():
        if file.type is FileType.RASTER:
            yield Problem(
                code="not_for_named_inputs", where=f"{where}.type", message="A raster has no features to look anything up in.",
                remedy="Give a layer or a table.",
            )  # fmt: skip


class NamedInputs:
    """Loads the named inputs of one batch.

    Args:
        manifest: What to read.
        recipe: With its parameters bound.
        files: The files of the manifest in the landing zone.
        scratch: A folder of the run's own.
        limits: For reading.
        progress: Told of every file.

    Attributes:
        layers: What was read.
        warnings: What the uploader should know although nothing is wrong.
    """

    def __init__(
        self, manifest: Manifest, recipe: Recipe, files: BatchFiles, scratch: Path, limits: ReadLimits, progress: Progress
    ) -> None:
        self._manifest, self._recipe, self._files = manifest, recipe, files
        self._scratch, self._limits, self._progress = scratch, limits, progress
        self.layers: list[InputLayer] = []
        self.warnings: list[Problem] = []

    def load(self, workspace: Workspace) -> None:
        """Load them all.

        Raises:
            Rejected: with the problems of all of them.
        """
        problems: list[Problem] = []
        for index, file in self._manifest.named_files.items():
            folder = self._scratch / f"in-{index}"
            try:
                self._load(index, self._with_policies(file), folder, workspace)
            except Rejected as rejected:
                problems += rejected.problems
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        if problems:
            raise Rejected(problems)

    def _load(self, index: int, file: FileSpec, folder: Path, workspace: Workspace) -> None:
        where, name = f"files[{index}]", file.name or ""
        staged = stage(self._files, file, where, folder, batch_id=self._manifest.batch_id, progress=self._progress)
        self._progress(Event(self._manifest.batch_id, "read", file.path))
        columns = self._recipe.columns_read(name)
        appended = any(layer.name == name for layer in self.layers)
        before = len(self.layers), len(self.warnings)

        def load(source: SourceFile) -> None:
            if len(source.layers) != 1:
                names = ", ".join(layer.name for layer in source.layers) or "none"
                raise Rejected.because(
                    "input_has_several_layers", where, f"The input {name!r} is one layer, and the file has others: {names}.",
                    'Name the layer: "layer" in the manifest, or --input NAME=FILE:LAYER.',
                )  # fmt: skip
            for stream in source.streams():
                self._take(index, file, staged, stream, columns, workspace)
            self.warnings += source.warnings

        def roll_back() -> None:
            workspace.drop_input(name)
            del self.layers[before[0] :], self.warnings[before[1] :]

        read_source(
            staged.path, file, where, self._limits, load, None if appended else roll_back,
            named=columns or frozenset(), appended=appended,
        )  # fmt: skip

    def _take(
        self,
        index: int,
        file: FileSpec,
        staged: StagedFile,
        stream: LayerStream,
        columns: frozenset[str] | None,
        workspace: Workspace,
    ) -> None:
        own = stream.schema.names[:-1] if stream.layer.has_geometry else stream.schema.names
        names, _ = lake_columns(own)
        fields = zip(stream.schema, [*names, GEOMETRY], strict=False)
        schema = pa.schema([item.with_name(each).remove_metadata() for item, each in fields])
        crs = stream.layer.crs.name if stream.layer.crs else None
        batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in stream)
        source = Source(schema, crs, batches, f"files[{index}]: layer {stream.layer.name}", stream.layer.crs_assumed)
        workspace.add_input(file.name or "", source, columns)
        self.layers.append(
            InputLayer(
                file=index, path=file.path, format=file.format, layer=stream.layer.name, crs=crs, features=stream.features,
                objects=staged.objects(), crs_source=stream.layer.crs_source, name=file.name,
            )
        )  # fmt: skip

    def _with_policies(self, file: FileSpec) -> FileSpec:
        """The file with its policies. Nothing is set aside of it, as it makes no dataset: that rejects the batch."""
        said: Mapping[str, object] = dict(effective(file, self._manifest, self._recipe))
        return file.model_copy(
            update={key: None if value == "set_aside" else value for key, value in said.items() if key in Policies.model_fields}
        )
