"""Tokens of visitors who came by a share link: signed here, so that nothing is stored for them.

What the link opens is asked of its row with each request: a revoked link shows nothing from that moment on.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.signed_urls import EXPIRES, SIGNATURE, UrlSigner
from cuepoint.errors import UnauthenticatedError
from cuepoint.features.shares.visits import visitors_of
from cuepoint.viewer import Viewer

MARK = "cpv_"
VISIT = timedelta(hours=12)
_METHOD = "VISIT"  # no HTTP method: a signed URL never fits here, nor the other way round
_TOKEN = re.compile(r"cpv_([0-9a-f]{32})\.(\d{1,12})\.([A-Za-z0-9_-]{1,64})", re.ASCII)


def visitor_token(signer: UrlSigner, link_id: UUID) -> tuple[str, datetime]:
    """A token for somebody who has just opened the link, and when it ends."""
    ends = datetime.now(UTC).replace(microsecond=0) + VISIT
    signed = signer.sign(_path(link_id), expires_at=int(ends.timestamp()), method=_METHOD)
    signature = signed.rpartition(f"{SIGNATURE}=")[2]
    return f"{MARK}{link_id.hex}.{int(ends.timestamp())}.{signature}", ends


async def viewer_of_visit(session: AsyncSession, signer: UrlSigner, token: str) -> Viewer:
    """Who holds the token. Raises UnauthenticatedError for one that is wrong or over, and for a link that is."""
    found = _TOKEN.fullmatch(token)
    if found is not None:
        link_id = UUID(found[1])
        signed = {EXPIRES: found[2], SIGNATURE: found[3]}
        if signer.verify(_path(link_id), signed, method=_METHOD, now=time.time()):
            visitors = await visitors_of(session, [link_id])
            if link_id in visitors:
                return visitors[link_id]
    raise UnauthenticatedError("The visit is over, or the link was revoked; open the link again.")


def _path(link_id: UUID) -> str:
    return f"/page/visits/{link_id.hex}"
