"""What is known of a column besides its name and type."""

from libs.models.base import Model

Value = int | float | str
"""Of a column with a domain; dates and times as ISO 8601 text."""

MAX_SUMMARY = 120
"""Characters: records of datasets with thousands of columns stay small."""


class CodedValue(Model):
    """A code, and what it means."""

    value: Value
    label: str | None = None


class Domain(Model):
    """The values that a column may have, as its source says. Nothing holds the values against it.

    Attributes:
        name: In the source.
        values: Codes with their labels, in the source's order; or
        min: the least value, and
        max: the greatest one, each included unless ``min_excluded`` or ``max_excluded``; or
        pattern: what texts look like: ``*`` for any characters, ``?`` for one, ``[...]`` for one of several.
    """

    name: str
    description: str | None = None
    values: tuple[CodedValue, ...] = ()
    min: Value | None = None
    min_excluded: bool = False
    max: Value | None = None
    max_excluded: bool = False
    pattern: str | None = None


class ColumnNotes(Model):
    """What a source says of a column besides its name and type.

    Attributes:
        title: For people (an alias).
    """

    title: str | None = None
    description: str | None = None
    domain: Domain | None = None

    def merged(self, other: "ColumnNotes") -> "ColumnNotes | None":
        """What two sources say together, a code that only one of them knows included; None where they contradict each other."""
        mine, theirs = self.domain, other.domain
        domain: Domain | None = mine or theirs
        if mine and theirs:
            labels = {coded.value: coded for coded in mine.values}
            values = (*mine.values, *(coded for coded in theirs.values if coded.value not in labels))
            agree = all(labels.get(coded.value, coded) == coded for coded in theirs.values)
            domain = mine.model_copy(update={"values": values})
            if not agree or domain != theirs.model_copy(update={"values": values}):
                return None
        titles, descriptions = {self.title, other.title} - {None}, {self.description, other.description} - {None}
        if len(titles) > 1 or len(descriptions) > 1:
            return None
        return ColumnNotes(title=next(iter(titles), None), description=next(iter(descriptions), None), domain=domain)

    def as_text(self) -> "ColumnNotes":
        """The same for the column as text: its codes and bounds, too."""
        if self.domain is None:
            return self
        domain = self.domain
        values = tuple(coded.model_copy(update={"value": str(coded.value)}) for coded in domain.values)
        return self.model_copy(update={"domain": domain.model_copy(update={"values": values})})

    @property
    def summary(self) -> str:
        """In few words, of a limited length."""
        parts = [self.title or self.description or ""]
        if self.domain is not None:
            number = len(self.domain.values)
            parts.append(f"domain {self.domain.name}" + (f", {number:,} code{'s' * (number > 1)}" if number else ""))
        text = "; ".join(filter(None, parts))
        return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 3]}..."
