"""Recipes: steps as data, with parameters to be bound."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    JsonValue,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)

from libs.models import Model, Policies, Problem, Rejected, WithRules
from libs.models.inputs import InputName
from libs.models.quality import rule_place
from libs.transformations.crs import CrsLookup, unresolved_crs
from libs.transformations.dialect import Dialect
from libs.transformations.parameter import Parameter
from libs.transformations.plan import Plan
from libs.transformations.query import Query
from libs.transformations.raster import RASTER_STEPS, RasterStep
from libs.transformations.references import is_missing, place, references, resolve
from libs.transformations.relation import Relation
from libs.transformations.rules import apply_rules
from libs.transformations.steps import STEPS, Step

_STEPS: Mapping[str, type[Step]] = STEPS | RASTER_STEPS


class RecipeInput(Model):
    """A further input of a recipe, beside the rows that its steps change.

    Attributes:
        name: By which its steps refer to it, and a manifest to the file or dataset that it is.
        description: For the author of a manifest.
    """

    name: InputName
    description: Annotated[str, StringConstraints(min_length=1)]


class Recipe(WithRules, Policies):
    """An ordered list of steps, quality rules for what they leave, and policies where the manifest has none.

    With its parameters bound it has none left, and its steps say all: as JSON it makes the same plan wherever it is read again.

    Attributes:
        name: What an intent says to select it.
        parameters: What a manifest may or must give.
        inputs: Further inputs, each of which a manifest must give.
        steps: Each an object with ``op`` and the step's own keys, where ``{"$param": "name"}`` stands for a parameter's value.
        arguments: What a bound recipe has been bound to, for the record.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: Annotated[str, StringConstraints(min_length=1)]
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[RecipeInput, ...] = ()
    steps: tuple[dict[str, JsonValue], ...] = ()
    arguments: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        declared = {parameter.name: parameter for parameter in self.parameters}
        errors: list[str] = []
        if len(declared) < len(self.parameters):
            errors.append("a parameter is declared twice")
        errors += [
            f"parameter {parameter.name!r}: a required parameter has no default"
            for parameter in self.parameters
            if parameter.required and parameter.default is not None
        ]
        for parameter in self.parameters:
            if parameter.default is not None:
                try:
                    parameter.type.check(parameter.default)
                except ValueError as error:
                    errors.append(f"parameter {parameter.name!r}: its default {error}")
        inputs = {each.name for each in self.inputs}
        if len(inputs) < len(self.inputs):
            errors.append("an input is declared twice")
        used: set[str] = set()
        read: set[str] = set()
        for number, data in enumerate(self.steps, start=1):
            if isinstance(name := data.get("input"), str):
                read.add(name)
                errors += [f"step {number}: the input {name!r} is not declared"] if name not in inputs else []
            names = set(references(data))
            used |= names
            errors += [f"step {number}: the parameter {name!r} is not declared" for name in sorted(names - declared.keys())]
            errors += [f"step {number}: {error}" for error in _step_errors(data, complete=not names)]
        errors += [f"the parameter {name!r} is declared but not used" for name in declared if name not in used]
        if len({data.get("op") in RASTER_STEPS for data in self.steps}) > 1:
            errors.append("some steps are for rasters, and some for features: they cannot be in one recipe")
        errors += [f"the input {name!r} is declared but not used" for name in sorted(inputs - read)]
        if errors:
            raise ValueError("\n".join(errors))
        return self

    @model_serializer(mode="wrap")
    def _without_what_it_does_not_say(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Its policies and rules stand last, and only those that it has: a record of a recipe without any looks as ever."""
        data: dict[str, Any] = dump(self)
        if not self.inputs:
            del data["inputs"]
        said = {name: value for name in Policies.model_fields if (value := data.pop(name, None)) is not None}
        said |= {name: value for name in WithRules.model_fields if (value := data.pop(name, None))}
        return data | said

    @property
    def policies(self) -> Mapping[str, JsonValue]:
        """Its policies, by key; those that it has."""
        return {name: value for name, value in self.model_dump(mode="json").items() if name in Policies.model_fields}

    @classmethod
    def from_yaml(cls, text: str, where: str) -> Self:
        """A user's own recipe.

        Args:
            text: YAML with the keys ``name``, ``description``, ``parameters``, ``inputs``, ``steps``, ``rules``, and those of
                ``Policies``.
            where: Where it comes from, for people: a file name.

        Raises:
            Rejected: with everything that is wrong.
        """
        from libs.transformations.yaml12 import parse_yaml

        try:
            data = parse_yaml(text)
        except ValueError as error:
            raise Rejected.because("recipe_not_yaml", where, f"It is not valid YAML: {error}.", "Correct the YAML.") from error
        remedy = "Correct the recipe: 'spatial-etl recipes' shows what others say."
        if isinstance(data, dict) and "arguments" in data:  # a record of what was given, to be made by binding
            raise Rejected.because("bad_recipe", f"{where}: arguments", "This key is not known here.", remedy)
        if isinstance(data, dict):  # where YAML says nothing, people mean the policy of that name
            data |= {name: "null" for name, value in data.items() if name.startswith("on_bad_") and value is None}
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise Rejected(
                Problem(code="bad_recipe", where=": ".join(filter(None, (where, ".".join(map(str, _place(location)))))),
                        message=_sentence(line), remedy=remedy)
                for location, message in _explained(error)
                for line in message.splitlines()
            ) from error  # fmt: skip

    def bind(self, parameters: Mapping[str, Any]) -> Self:
        """This recipe with values in place of its parameters.

        A key whose parameter has no value is left out, and so is a step that cannot do without it.

        Args:
            parameters: As a manifest gives them.

        Raises:
            Rejected: with every parameter that is missing, unknown or wrong.
        """
        arguments, problems = self._arguments(parameters)
        steps: list[dict[str, Any]] = []
        for number, written in enumerate(() if problems else self.steps, start=1):
            fields = _STEPS[str(written["op"])].model_fields
            if not any(fields[key].is_required() and is_missing(item, arguments) for key, item in written.items()):
                steps.append(resolve(written, arguments))
                problems += self._step_problems(number, written, steps[-1], arguments)
        if problems:
            raise Rejected(problems)
        return self.model_copy(update={"parameters": (), "steps": tuple(steps), "arguments": arguments})

    def _arguments(self, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """Values of the declared parameters that have one, and what is wrong with what is given."""
        declared = [parameter.name for parameter in self.parameters]
        problems = [self._unknown(name, declared) for name in parameters if name not in declared]
        arguments: dict[str, Any] = {}
        for parameter in self.parameters:
            where = f"parameters.{parameter.name}"
            value = parameters.get(parameter.name)
            if value is None and parameter.required:
                problems.append(
                    Problem(code="missing_parameter", where=where,
                            message=f"The recipe {self.name!r} needs the parameter {parameter.name!r}.",
                            remedy=f"Give it: {parameter.description}")
                )  # fmt: skip
            value = parameter.default if value is None else value
            try:
                if value is not None:
                    arguments[parameter.name] = parameter.type.check(value)
            except ValueError as error:
                problems.append(
                    Problem(code="bad_parameter", where=where, message=_sentence(str(error)),
                            remedy=f"Expected: {parameter.description}")
                )  # fmt: skip
        return arguments, problems

    def _unknown(self, name: str, declared: list[str]) -> Problem:
        close = difflib.get_close_matches(name, declared, n=1)
        known = f"Its parameters: {', '.join(declared)}." if declared else "It takes none."
        return Problem(
            code="unknown_parameter",
            where=f"parameters.{name}",
            message=f"The recipe {self.name!r} has no parameter {name!r}.",
            remedy=f"Did you mean {close[0]!r}? {known}" if close else f"Remove it. {known}",
        )

    def plan(
        self,
        relation: Relation,
        dialect: Dialect,
        look_up: CrsLookup = unresolved_crs,
        not_loaded: Collection[str] = (),
        policies: Policies | None = None,
        inputs: Mapping[str, Relation] = MappingProxyType({}),
    ) -> Plan:
        """The statements that apply this recipe to a relation.

        Args:
            relation: What is in ``raw_data``, and what could be.
            dialect: Of the engine.
            look_up: Knows CRSs. Without one, a CRS is what the recipe says, and lengths cannot be converted to its unit.
            not_loaded: Columns that the statements leave out, because no step reads them (see ``Plan.read``).
            policies: What becomes of rows that cannot be kept as they are; None: they reject the batch.
            inputs: What is in each named input.

        Raises:
            Rejected: when the relation does not allow a step: an unknown column, a type that does not fit. Also when the recipe
                is not bound and has a parameter that must be given.
        """
        recipe = self.bind({}) if self.parameters else self
        query = Query(relation, dialect, look_up, not_loaded, policies, inputs)
        times: Counter[str] = Counter()
        for number, data in enumerate(recipe.steps, start=1):
            step = _STEPS[str(data["op"])].model_validate(data)
            times[step.op] += 1
            query.begin(number, step.op, times[step.op])
            step.apply(query)
        apply_rules(query, recipe.rules, len(recipe.steps) + 1)
        return query.plan()

    @property
    def for_rasters(self) -> bool:
        """Whether its steps are for rasters."""
        return any(data["op"] in RASTER_STEPS for data in self.steps)

    @property
    def raster_steps(self) -> tuple[RasterStep, ...]:
        """Those of a recipe for rasters, once it is bound."""
        return tuple(RASTER_STEPS[str(data["op"])].model_validate(data) for data in self.steps if self.for_rasters)

    @property
    def named(self) -> frozenset[str]:
        """The columns of the source that its steps and rules name, once it is bound."""
        named, made = set[str](), set[str]()
        for data in self.steps:
            step = _STEPS[str(data["op"])].model_validate(data)
            named |= step.named - made
            made |= step.made
        return frozenset(named | {name for rule in self.rules for name in rule.columns_named} - made)

    def columns_read(self, name: str) -> frozenset[str] | None:
        """The columns of a named input that its steps read, once it is bound; None: all that there are."""
        read = set[str]()
        for data in self.steps:
            reads = _STEPS[str(data["op"])].model_validate(data).reads
            if name in reads:
                columns = reads[name]
                if columns is None:
                    return None
                read |= {*columns}
        return frozenset(read)

    def _step_problems(
        self, number: int, written: dict[str, Any], resolved: dict[str, Any], arguments: dict[str, Any]
    ) -> Iterator[Problem]:
        """What is wrong with a step, with the places in the step as written."""
        try:
            _STEPS[str(written["op"])].model_validate(resolved)
        except ValidationError as error:
            for location, message in _explained(error):
                yield Problem(
                    code="bad_parameter",
                    where=place(written, location, arguments, f"recipe step {number} ({written['op']})"),
                    message=_sentence(message),
                    remedy=f"See what the recipe {self.name!r} says about its parameters.",
                )


def _explained(error: ValidationError) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Place and message of each thing that is wrong, the message without capital and full stop."""
    for details in error.errors(include_url=False):
        match details["type"]:
            case "missing":
                message = "this key is missing"
            case "extra_forbidden":
                message = "this key is not known here"
            case "too_short":
                if details["input"]:
                    continue  # Pydantic's word for a list with an item that is wrong, which it reports, too
                message = "it is empty"
            case _:
                message = details["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        yield details["loc"], message


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return rule_place(location)[0] if location[:1] == ("rules",) and len(location) > 1 else location


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}."


def _step_errors(data: dict[str, Any], *, complete: bool) -> list[str]:
    """What is wrong with a step as written; one with references can be judged in full only once they are bound."""
    step = _STEPS.get(str(data.get("op")))
    if step is None:
        return [f"{data.get('op')!r} is no step: {', '.join(_STEPS)}"]
    if not complete:
        return [
            f"({data['op']}) has no key {key!r}: {', '.join(step.model_fields)}" for key in data if key not in step.model_fields
        ]
    try:
        step.model_validate(data)
    except ValidationError as error:
        return [f"{'.'.join(map(str, (data['op'], *location)))}: {message}" for location, message in _explained(error)]
    return []
