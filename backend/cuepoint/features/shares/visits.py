"""Visits by share link: who they are, and which links can be visited at all.

Once a link was opened, a visitor is known by the link's id, for as long as the link lives.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.projects.models import Project, ShareLink
from cuepoint.features.videos.models import Video
from cuepoint.viewer import NOBODY, Scope, Share, Viewer


async def visitors_of(session: AsyncSession, link_ids: Collection[UUID]) -> dict[UUID, Viewer]:
    """Who came by each of these links; not of those that are over, or whose project is gone."""
    statement = living_links().where(ShareLink.id.in_(link_ids))
    return {link.id: visitor_by(link) for link in await session.scalars(statement)}


def living_links() -> Select[ShareLink]:
    """Links that are neither revoked nor over, of projects and videos that are there."""
    return (
        select(ShareLink)
        .join(Project, Project.id == ShareLink.project_id)
        .outerjoin(Video, Video.id == ShareLink.video_id)
        .where(
            ShareLink.revoked_at.is_(None),
            or_(ShareLink.expires_at.is_(None), ShareLink.expires_at > func.now()),
            Project.deleted_at.is_(None),
            Video.deleted_at.is_(None),
        )
    )


def visitor_by(link: ShareLink) -> Viewer:
    """Who came by this link."""
    share = Share(link.id, link.project_id, link.video_id, link.may_download)
    return Viewer(
        user_id=NOBODY, is_admin=False, scope=Scope.READ, project_ids=frozenset({link.project_id}), share=share
    )
