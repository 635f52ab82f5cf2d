"""Users and viewers for tests."""

from __future__ import annotations

from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.users import service
from cuepoint.features.users.models import User
from cuepoint.features.users.passwords import hash_password
from cuepoint.viewer import Viewer

PASSWORD = "correct horse battery staple"


async def make_user(
    db: Database, *, email: str | None = None, is_admin: bool = False, password: str | None = None
) -> User:
    """A user with a name and an address of its own; with a password only where one is given."""
    key = uuid7()
    user = User(
        id=key,
        email=email or f"{key.hex}@example.org",
        name=f"User {key.hex[-4:]}",
        is_admin=is_admin,
        password_hash=None if password is None else await hash_password(password),
    )
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


async def sign_in(
    db: Database, settings: Settings, email: str, password: str = PASSWORD, *, address: str = "192.0.2.1"
) -> service.Tokens:
    """A session of the user with that address, begun at that place."""
    return await service.login(db, settings, email=email, password=password, address=address)
