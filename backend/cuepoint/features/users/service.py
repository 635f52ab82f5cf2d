"""The door to accounts for the rest of the program: credentials, API keys, people and sessions, each in its module."""

from __future__ import annotations

from cuepoint.features.users.credentials import MARK, authenticate, hash_secret, note_use, still_valid
from cuepoint.features.users.keys import (
    count_api_keys,
    create_admin_key,
    create_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from cuepoint.features.users.people import (
    UserFilter,
    count_users,
    create_user,
    delete_user,
    ensure_admin,
    get_user,
    list_users,
    lock_admins,
    may_see_user,
    set_active,
    update_user,
)
from cuepoint.features.users.rights import require_admin, require_manage, require_unrestricted
from cuepoint.features.users.sessions import (
    Tokens,
    change_password,
    count_sessions,
    hash_new_password,
    list_sessions,
    login,
    logout,
    logout_all,
    refresh_session,
    set_password,
)

__all__ = [
    "MARK",
    "Tokens",
    "UserFilter",
    "authenticate",
    "change_password",
    "count_api_keys",
    "count_sessions",
    "count_users",
    "create_admin_key",
    "create_api_key",
    "create_user",
    "delete_user",
    "ensure_admin",
    "get_user",
    "hash_new_password",
    "hash_secret",
    "list_api_keys",
    "list_sessions",
    "list_users",
    "lock_admins",
    "login",
    "logout",
    "logout_all",
    "may_see_user",
    "note_use",
    "refresh_session",
    "require_admin",
    "require_manage",
    "require_unrestricted",
    "revoke_api_key",
    "rotate_api_key",
    "set_active",
    "set_password",
    "still_valid",
    "update_user",
]
