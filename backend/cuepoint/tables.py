"""Imports every models module, so that Alembic and the tests see all tables."""

from __future__ import annotations

from cuepoint.db import idempotency
from cuepoint.db.base import Base
from cuepoint.features.audit import models as audit
from cuepoint.features.clips import models as clips
from cuepoint.features.files import models as files
from cuepoint.features.imports import models as imports
from cuepoint.features.jobs import models as jobs
from cuepoint.features.moments import models as moments
from cuepoint.features.presets import models as presets
from cuepoint.features.projects import models as projects
from cuepoint.features.quotas import models as quotas
from cuepoint.features.search import models as search
from cuepoint.features.storage import models as storage
from cuepoint.features.transcripts import models as transcripts
from cuepoint.features.uploads import models as uploads
from cuepoint.features.users import models as users
from cuepoint.features.videos import models as videos

MODELS = (
    idempotency,
    audit,
    files,
    users,
    projects,
    quotas,
    jobs,
    presets,
    uploads,
    videos,
    imports,
    transcripts,
    search,
    moments,
    clips,
    storage,
)
metadata = Base.metadata
