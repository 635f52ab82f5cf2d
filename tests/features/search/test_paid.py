"""Searches whose query a paid model embeds: what they take counts for who searches, and a spent quota stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, ErrorCode, QuotaExceededError
from cuepoint.features.projects.models import Project
from cuepoint.features.quotas import service as quotas
from cuepoint.features.quotas.metering import Metering, Price
from cuepoint.features.quotas.models import ModelUsage
from cuepoint.features.search.service import SearchRequest, search
from cuepoint.features.shares.service import Target, create_link
from cuepoint.features.shares.visits import visitor_by
from cuepoint.processes.metering import Use, note_use
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_project
from tests.support.builders.search import AxisEmbedder, axis
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video


class PaidEmbedder(AxisEmbedder):
    """Three tokens a query."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See the port."""
        note_use(Use("embedder-3", 3))
        return await super().embed(texts)


@pytest.fixture
def paid(db: Database) -> Database:
    return Database(db.engine, info={Metering: Metering({"EMBEDDING": "embedder-3"}, {"embedder": Price(1, 0)})})


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


def embedder() -> PaidEmbedder:
    return PaidEmbedder({"needle": axis(1)})


async def used(db: Database) -> list[tuple[object, ...]]:
    async with db.read() as session:
        rows = await session.scalars(select(ModelUsage).order_by(ModelUsage.created_at))
        return [(row.project_id, row.user_id, row.tokens_in, row.cost_micros, row.job_id) for row in rows]


class TestSearch:
    async def test_counts_for_who_searches_and_the_only_project(
        self, paid: Database, viewer: Viewer, project: Project
    ) -> None:
        await search(paid, viewer, embedder(), SearchRequest("needle"))
        video = await make_video(paid, project)
        other = await make_project(paid, owner_id=viewer.user_id)
        foreign = await make_video(paid, other)
        for projects, videos in (
            ([project.id, other.id], None),
            (None, [video.id, foreign.id]),
            ([project.id], None),
            ([project.id, project.id], None),
            (None, [video.id]),
            ([project.id, other.id], [video.id]),
            ([other.id], [video.id]),
        ):
            await search(paid, viewer, embedder(), SearchRequest("needle", projects, videos))

        charged = [(None, viewer.user_id, 3, 3, None)] * 3 + [(project.id, viewer.user_id, 3, 3, None)] * 5
        assert await used(paid) == charged

    @pytest.mark.parametrize("error", [AdapterError, asyncio.CancelledError], ids=["fails", "is-cancelled"])
    async def test_that_goes_wrong_after_the_paid_call_counts(
        self, paid: Database, viewer: Viewer, error: type[BaseException]
    ) -> None:
        class Broken(PaidEmbedder):
            async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
                await super().embed(texts)
                if error is AdapterError:
                    raise AdapterError(ErrorCode.PROVIDER_BAD_RESPONSE, "No vector.", retryable=False)
                running = asyncio.current_task()
                assert running is not None
                running.cancel()
                await asyncio.sleep(1)
                raise AssertionError

        with pytest.raises(error):
            await asyncio.create_task(search(paid, viewer, Broken({"needle": axis(1)}), SearchRequest("needle")))

        assert await used(paid) == [(None, viewer.user_id, 3, 3, None)]

    async def test_of_a_visitor_counts_for_the_project_that_was_shared(
        self, paid: Database, viewer: Viewer, project: Project
    ) -> None:
        async with paid.write() as session:
            target = Target(project.id, None)
            link = await create_link(session, viewer, target, expires_at=None, may_download=False, password=None)

        await search(paid, visitor_by(link.link), embedder(), SearchRequest("needle"))

        assert await used(paid) == [(project.id, None, 3, 3, None)]

    async def test_a_spent_quota_asks_nobody(self, paid: Database, viewer: Viewer) -> None:
        async with paid.write() as session:
            limits, scope = quotas.Limits(tokens_per_month=3), quotas.Scope(user_id=viewer.user_id)
            await quotas.set_quota(session, await make_viewer(paid, is_admin=True), scope, limits)
        asked = embedder()
        await search(paid, viewer, asked, SearchRequest("needle"))

        with pytest.raises(QuotaExceededError):
            await search(paid, viewer, asked, SearchRequest("needle"))

        assert (len(asked.asked), len(await used(paid))) == (1, 1)
