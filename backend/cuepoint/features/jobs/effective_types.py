"""GraphQL types of what holds for a job in the end, and who said so."""

from __future__ import annotations

import re

import strawberry
from strawberry.scalars import JSON

from cuepoint.features.jobs import effective
from cuepoint.features.jobs.effective import OptionSource
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import seconds_or_none

describe_enum(
    OptionSource,
    {
        OptionSource.INSTANCE: "Nobody: the instance decides, by its own settings or by the media.",
        OptionSource.PROJECT: "The settings of the project.",
        OptionSource.PRESET: "The preset that the call named.",
        OptionSource.CALL: "The call itself.",
    },
    name="JobOptionSource",
    description="Who said what an option is; each goes before the ones above it.",
)

_UNDERSCORE = re.compile(r"_([a-z])")


@strawberry.type(description="One option of a job, with its source.")
class EffectiveOption:
    name: str = strawberry.field(description="Name, as in JobOptions.")
    value: JSON | None = strawberry.field(description="What holds; null where the instance decides while the job runs.")
    source: OptionSource = strawberry.field(description="Who said so.")

    @classmethod
    def from_option(cls, option: effective.EffectiveOption) -> EffectiveOption:
        """Copy the option, with its name and unit in `JobOptions`."""
        stored, value = option.name, option.value
        if stored.endswith("_ms"):
            stored, value = f"{stored.removesuffix('_ms')}_seconds", seconds_or_none(value)
        name = _UNDERSCORE.sub(lambda match: match[1].upper(), stored)
        return cls(name=name, value=value, source=option.source)
