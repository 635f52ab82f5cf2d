"""GraphQL type of a pipeline: how far its steps are together."""

from __future__ import annotations

import strawberry

from cuepoint.features.jobs.speeds import PipelineState


@strawberry.type(description="The newest jobs of a video's pipeline, taken together.")
class PipelineProgress:
    """A pipeline as clients see it."""

    progress: float = strawberry.field(
        description="0 to 1: each step counts by the time that it is expected to take; what is over counts whole."
    )
    eta_seconds: float | None = strawberry.field(
        description="Time that its steps still need, by what this instance has measured, without waiting for a worker; "
        "null rather than a guess."
    )

    @classmethod
    def from_state(cls, state: PipelineState) -> PipelineProgress:
        """Copy the state."""
        return cls(progress=state.progress, eta_seconds=state.eta_seconds)
