"""Studios of a film, of sound alone, and of a still picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cuepoint.config import Settings
from cuepoint.db.session import Database
from tests.support.builders.studio import Studio, studio_of
from tests.support.media import CodedClip, make_coded_clip, make_wav


@pytest.fixture
async def film(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Four seconds of coded pictures with a tone."""
    return await studio_of(db, settings, make_coded_clip(tmp_path / "film.mp4", CodedClip(frames=96)))


@pytest.fixture
async def sound(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Two seconds of sound alone."""
    return await studio_of(db, settings, make_wav(tmp_path / "sound.wav"))


@pytest.fixture
async def image(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """A still picture."""
    source = tmp_path / "still.png"
    Image.new("RGB", (1600, 800), (220, 20, 20)).save(source)
    return await studio_of(db, settings, source)
