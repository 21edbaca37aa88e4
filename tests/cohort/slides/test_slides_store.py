"""Tiles on disk: by split, resumable, never mixed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.cohort.slides import store
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.store import Tiles, prepare_tiles, read_tiles, tile_digests, write_tiles
from lung_ssp.errors import CohortError, SlideError

SETTINGS = SlideSettings(size=8, mpp=2.0, tissue_mpp=4.0, tiles_per_slide=6)
SPLIT_OF = {"A": "train", "B": "train", "C": "test", "D": "validation"}


@pytest.fixture(scope="module")
def slides(make_slide: Callable[..., Path], picture: np.ndarray) -> dict[str, list[Path]]:
    """A has two slides, B one, C one without tissue, and E, who is in no split, one."""
    blank = np.full((200, 200, 3), 244, np.uint8)
    flipped = np.ascontiguousarray(picture[::-1])
    shaded = np.clip(picture * np.linspace(0.8, 1, 400)[:, None, None], 0, 255).astype(np.uint8)
    return {
        "A": [make_slide(picture), make_slide(flipped)],
        "B": [make_slide(shaded)],
        "C": [make_slide(blank)],
        "E": [make_slide(picture)],
    }


def test_tiles_go_into_their_patients_split(slides: dict[str, list[Path]], tmp_path: Path) -> None:
    assert prepare_tiles(tmp_path, slides, SPLIT_OF, SETTINGS, 0) == {"train": 18, "validation": 0, "test": 0}
    train = read_tiles(tmp_path, "train")
    assert train.images.shape == (18, 8, 8, 3) and train.images.dtype == np.uint8
    assert train.patients.tolist() == ["A"] * 12 + ["B"] * 6
    assert train.slides.tolist() == ["A-1"] * 6 + ["A-2"] * 6 + ["B-1"] * 6
    assert read_tiles(tmp_path, "test").images.shape == (0, 8, 8, 3)
    assert sorted(path.name for path in (tmp_path / "tiles").iterdir()) == ["test.npz", "train.npz", "validation.npz"]


def test_an_interrupted_preparation_goes_on_with_the_next_slide(
    slides: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_tiles(tmp_path / "straight", slides, SPLIT_OF, SETTINGS, 0)
    cut = store.cut_tiles
    seen: list[Path] = []

    def counting(slide, settings, rng):  # type: ignore[no-untyped-def]
        if len(seen) == 2:
            seen.append(Path())
            raise KeyboardInterrupt
        seen.append(slide.folder)
        return cut(slide, settings, rng)

    monkeypatch.setattr(store, "cut_tiles", counting)
    with pytest.raises(KeyboardInterrupt):
        prepare_tiles(tmp_path / "broken", slides, SPLIT_OF, SETTINGS, 0)
    assert not (tmp_path / "broken" / "tiles" / "train.npz").exists()
    prepare_tiles(tmp_path / "broken", slides, SPLIT_OF, SETTINGS, 0)
    assert [path for path in seen if path != Path()] == [*slides["A"], *slides["B"], *slides["C"]]
    assert list(tile_digests(tmp_path / "broken")) == list(tile_digests(tmp_path / "straight"))


def test_a_slides_tiles_do_not_depend_on_the_others(slides: dict[str, list[Path]], tmp_path: Path) -> None:
    prepare_tiles(tmp_path / "all", slides, SPLIT_OF, SETTINGS, 0)
    prepare_tiles(tmp_path / "alone", {"B": slides["B"]}, SPLIT_OF, SETTINGS, 0)
    prepare_tiles(tmp_path / "seed", {"B": slides["B"]}, SPLIT_OF, SETTINGS, 1)
    together, alone, seeded = (read_tiles(tmp_path / name, "train").images for name in ("all", "alone", "seed"))
    assert np.array_equal(together[12:], alone)
    assert not np.array_equal(alone, seeded)


def test_tiles_of_other_settings_or_slides_are_refused(slides: dict[str, list[Path]], tmp_path: Path) -> None:
    prepare_tiles(tmp_path, slides, SPLIT_OF, SETTINGS, 0)
    with pytest.raises(CohortError, match="other slides or with other settings"):
        prepare_tiles(tmp_path, slides, SPLIT_OF, SETTINGS.model_copy(update={"mpp": 3.0}), 0)
    with pytest.raises(CohortError, match="other slides or with other settings"):
        prepare_tiles(tmp_path, {"A": slides["A"]}, SPLIT_OF, SETTINGS, 0)


def test_an_unreadable_slide_stops_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SlideError, match="empty holds no readable pathology slide"):
        prepare_tiles(tmp_path, {"A": [tmp_path / "empty"]}, SPLIT_OF, SETTINGS, 0)


def test_what_is_missing_or_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="prepare a cohort with pathology slides"):
        read_tiles(tmp_path, "train")
    grey = Tiles(np.zeros((2, 8, 8), np.uint8), np.array(["A", "B"]), np.array(["A-1", "B-1"]))
    write_tiles(tmp_path, "train", grey)
    with pytest.raises(CohortError, match="no colour tiles"):
        read_tiles(tmp_path, "train")
    write_tiles(tmp_path, "train", Tiles(np.zeros((2, 8, 8, 3)), np.array(["A"]), np.array(["A-1"])))
    with pytest.raises(CohortError, match="whose it is"):
        read_tiles(tmp_path, "train")
    (tmp_path / "tiles" / "train.npz").write_bytes(b"no archive")
    with pytest.raises(CohortError, match="cannot be read"):
        read_tiles(tmp_path, "train")


def test_a_cohort_without_tiles_has_no_digest_of_them(tmp_path: Path) -> None:
    assert list(tile_digests(tmp_path)) == []
