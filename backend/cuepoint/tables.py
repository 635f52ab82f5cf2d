"""Imports every models module, so that Alembic and the tests see all tables."""

from __future__ import annotations

from cuepoint.db.base import Base
from cuepoint.features.clips import models as clips
from cuepoint.features.jobs import models as jobs
from cuepoint.features.moments import models as moments
from cuepoint.features.projects import models as projects
from cuepoint.features.search import models as search
from cuepoint.features.transcripts import models as transcripts
from cuepoint.features.uploads import models as uploads
from cuepoint.features.users import models as users
from cuepoint.features.videos import models as videos

MODELS = (users, projects, jobs, uploads, videos, transcripts, search, moments, clips)
metadata = Base.metadata
