"""Users and viewers for tests."""

from __future__ import annotations

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.users.models import User
from cuepoint.viewer import Viewer


async def make_user(db: Database, *, email: str | None = None, is_admin: bool = False) -> User:
    """A user with a name and an address of its own."""
    key = uuid7()
    user = User(id=key, email=email or f"{key.hex}@example.org", name=f"User {key.hex[-4:]}", is_admin=is_admin)
    async with db.write() as session:
        session.add(user)
        await session.flush()
        await session.refresh(user)
    return user


def viewer_of(user: User) -> Viewer:
    """That user as the one who asks."""
    return Viewer(user_id=user.id, is_admin=user.is_admin)


async def make_viewer(db: Database, *, is_admin: bool = False) -> Viewer:
    """A new user as the one who asks."""
    return viewer_of(await make_user(db, is_admin=is_admin))
