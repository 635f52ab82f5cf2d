"""What a credential may do beyond projects: the instance-wide half of the gate, which `projects.access` completes."""

from __future__ import annotations

from cuepoint.errors import ForbiddenError
from cuepoint.viewer import Scope, Viewer


def require_admin(viewer: Viewer) -> None:
    """Pass, or raise ForbiddenError for everybody but an administrator with a credential that may do everything."""
    if viewer.is_admin:
        return
    if viewer.is_of_admin:
        raise ForbiddenError("This credential is restricted; this needs an administrator's with the scope MANAGE.")
    raise ForbiddenError("Only an instance administrator may do this.")


def require_account(viewer: Viewer) -> None:
    """Pass, or raise ForbiddenError for a visitor, who has no account: the instance is not theirs to look at."""
    if viewer.share is not None:
        raise ForbiddenError("A share link shows what was shared, and nothing of the instance.")


def require_unrestricted(viewer: Viewer) -> None:
    """Pass, or raise ForbiddenError for a credential of some projects only: this concerns more than those."""
    if viewer.project_ids is not None:
        raise ForbiddenError("This credential is restricted to some projects, and this concerns more than those.")


def may_manage(viewer: Viewer) -> bool:
    """Whether the credential may see and change its user's own account and keys."""
    return viewer.project_ids is None and viewer.share is None and viewer.scope is Scope.MANAGE


def require_manage(viewer: Viewer) -> None:
    """Pass, or raise ForbiddenError for a credential that may not manage its user's own account and keys.

    Otherwise a narrow key could make itself a wide one.
    """
    require_unrestricted(viewer)
    if not may_manage(viewer):
        raise ForbiddenError("This needs a credential with the scope MANAGE, such as a session's.")
