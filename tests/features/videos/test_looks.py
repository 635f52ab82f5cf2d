"""What becomes of posters when a storyboard and a chosen poster come at the same time."""

from __future__ import annotations

from sqlalchemy import select

from cuepoint.adapters.media.base_looks import StoryboardPack
from cuepoint.db.session import Database
from cuepoint.features.videos.looks import SmallerPosters, record_posters, replace_storyboard
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_video

PACK = StoryboardPack(320, 180, 1, 10, 1000, (10,), (20,), bytes(8), 1000, (), ())


def picture(video: Video, kind: RenditionKind, name: str) -> Rendition:
    return Rendition(video_id=video.id, kind=kind, storage_key=name, content_type="image/jpeg", size_bytes=10)


async def keys(db: Database) -> dict[RenditionKind, str]:
    async with db.read() as session:
        rows = await session.execute(select(Rendition.kind, Rendition.storage_key))
        return {kind: key for kind, key in rows if kind is not RenditionKind.STORYBOARD}


class TestReplaceStoryboard:
    async def test_smaller_copies_of_the_poster_come_with_it(self, db: Database) -> None:
        video = await make_video(db, await make_project(db, owner_id=(await make_viewer(db)).user_id))
        await make_rendition(db, video, RenditionKind.POSTER, storage_key="best")
        small = picture(video, RenditionKind.POSTER_SMALL, "best-small")

        async with db.write() as session:
            board = picture(video, RenditionKind.STORYBOARD, "board")
            await replace_storyboard(session, video.id, PACK, board, SmallerPosters("best", [small]))

        assert await keys(db) == {RenditionKind.POSTER: "best", RenditionKind.POSTER_SMALL: "best-small"}

    async def test_copies_of_a_poster_that_was_replaced_meanwhile_are_left(self, db: Database) -> None:
        video = await make_video(db, await make_project(db, owner_id=(await make_viewer(db)).user_id))
        await make_rendition(db, video, RenditionKind.POSTER, storage_key="best")
        late = SmallerPosters("best", [picture(video, RenditionKind.POSTER_SMALL, "best-small")])
        chosen = {RenditionKind.POSTER: "chosen", RenditionKind.POSTER_SMALL: "chosen-small"}
        async with db.write() as session:
            posters = [picture(video, kind, key) for kind, key in chosen.items()]
            await record_posters(session, video.id, 2500, posters)

        async with db.write() as session:
            board = picture(video, RenditionKind.STORYBOARD, "board")
            await replace_storyboard(session, video.id, PACK, board, late)

        assert await keys(db) == chosen
