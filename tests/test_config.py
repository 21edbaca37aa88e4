"""The configuration system: PaddleSeg's dialect, typed, and strict."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from paddleseg.cvlibs import Config as PaddleSegConfig

from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.phantom.settings import PhantomPreparationSettings
from lung_ssp.cohort.settings import ManifestSettings
from lung_ssp.config import SHIPPED_CONFIGS, Config, flatten, load_config, merge, resolve
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.settings import Settings
from roofline import DeviceSettings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
ALL = sorted(path for path in CONFIGS.rglob("*.yml"))
TABLE2 = CONFIGS / "classification" / "table2.yml"
KINDS: dict[str, type[Settings]] = {
    "classification": ClassificationSettings,
    "segmentation": SegmentationSettings,
    "phantom": PhantomPreparationSettings,
    "manifest": ManifestSettings,
    "nlst": NlstSettings,
    "device": DeviceSettings,
}


def load(path: Path, overrides: Sequence[str] = ()) -> Config[ClassificationSettings]:
    return load_config(path, ClassificationSettings, overrides)


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    tasks = {"cohort": ("phantom", "manifest", "nlst")}.get(path.parent.name, (path.parent.name,))
    file = resolve(path)
    assert file.tree["task"] in tasks
    file.check(file.choose(KINDS))


@pytest.mark.parametrize("name", ["improved_unet.yml", "unet.yml", "smoke.yml"])
def test_paddleseg_resolves_the_same_tree(name: str) -> None:
    path = CONFIGS / "segmentation" / name
    overrides = ["batch_size=2", "lr_scheduler.learning_rate=0.5"]
    assert PaddleSegConfig(str(path), opts=overrides).dic == load_config(path, SegmentationSettings, overrides).tree


def test_the_protocol_of_table_2_is_what_the_close_reading_says() -> None:
    settings = load(TABLE2).settings
    assert (settings.batch_size, settings.epochs, settings.loss.l2) == (128, 30, 1e-5)
    assert (settings.model.batch_norm_momentum, settings.model.keep_probability) == (0.999, 0.8)
    assert settings.lr_scheduler.learning_rate == settings.lr_scheduler.end_lr == 1e-3
    assert settings.model.sharing == "partial_soft_sharing"
    assert settings.model.alphas.granularity == "channel"
    dense = load(CONFIGS / "classification" / "table2_dense.yml").tree
    assert dense == {**load(TABLE2).tree, "model": dense["model"]}
    assert dense["model"]["alphas"]["granularity"] == "dense"


def test_bases_are_merged_key_by_key_unless_told_otherwise() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merge({"a": {"b": 9}}, base) == {"a": {"b": 9, "c": 2}, "d": 3}
    assert merge({"a": {"_inherited_": False, "b": 9}}, base) == {"a": {"b": 9}, "d": 3}
    assert merge({"a": 5}, base) == {"a": 5, "d": 3}
    assert merge({"e": {"_inherited_": False, "b": 9}}, base) == {**base, "e": {"b": 9}}


def test_overrides_take_literals_and_texts() -> None:
    words = [
        "seed=7",
        "loss.l2=1e-3",
        "model.sharing=hard_sharing",
        "train_dataset.augment=true",
        "model.conv_channels=[4,8]",
    ]
    settings = load(TABLE2, words).settings
    assert (settings.seed, settings.loss.l2, settings.model.sharing) == (7, 1e-3, "hard_sharing")
    assert settings.train_dataset.augment is True
    assert settings.model.conv_channels == [4, 8]


def write(folder: Path, text: str, name: str = "run.yml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model:\n  sharng: single_task", ["run.yml", "model.sharng", "did you mean sharing?"]),
        ("modle: {}", ["run.yml", "modle", "did you mean model?"]),
        ("model: {alphas: {granularity: chanel}}", ["model.alphas.granularity", "'chanel'", "did you mean channel?"]),
        ("batch_size: many", ["run.yml", "batch_size", "'many'", "integer"]),
        ("batch_size: 0", ["batch_size", "greater than or equal to 1"]),
        ("loss: {l2: 1e-5}", ["loss.l2", "write it with a point"]),
        ("model: {alphas: {initial: [[0.9, 0.9], [0.1, 0.9]]}}", ["model.alphas", "sum to 1"]),
        ("model: 5", ["model", "5"]),
        ("model: {type: TwoTaskClasifier}", ["run.yml", "model.type is", "did you mean TwoTaskClassifier?"]),
        ("model: {_inherited_: false}", ["model.type is missing"]),
        ("model: {type: TwoInputClassifier}", ["train_dataset.type is SectionDataset", "SectionAndSlideDataset"]),
        ("train_dataset: {slide_dropout: 0.5}", ["train_dataset.slide_dropout is not a setting"]),
        ("task: classfication", ["task", "did you mean classification?"]),
        ("_base_: nowhere.yml", ["nowhere.yml", "run.yml"]),
        ("- a", ["run.yml", "expected a mapping"]),
        ("a: [", ["run.yml", "not valid YAML"]),
        ("seed: 1\nseed: 2", ["run.yml", "the key seed is given twice"]),
        ("_base_: 3", ["run.yml", "_base_ is 3"]),
        ("_base_:", ["run.yml", "_base_ is None"]),
        ("val_dataset: {mode: test}", ["val_dataset.mode is test", "validation"]),
        ("test_dataset: {dataset_root: elsewhere}", ["one cohort", "elsewhere"]),
    ],
)
def test_a_fault_is_told_with_file_key_and_expectation(tmp_path: Path, text: str, words: list[str]) -> None:
    if "_base_" not in text and text[0] != "-" and "[" not in text[:5]:
        text = f"_base_: {TABLE2}\n{text}"
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_fault_is_told_of_the_file_it_stands_in(tmp_path: Path) -> None:
    write(tmp_path, f"_base_: {TABLE2}\nmodel: {{fully_conected: 5}}", "base.yml")
    with pytest.raises(ConfigError, match=r"base\.yml: model\.fully_conected"):
        load(write(tmp_path, "_base_: base.yml\nseed: 1"))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("batch_siz=4", "command line.*batch_siz.*did you mean batch_size"),
        ("batch_size", "expected key.sub=value"),
        ("batch_size.deep=4", "batch_size is a value, not a group"),
        ("model.image_size=30", "command line.*model.image_size is 30.*multiple of 4"),
    ],
)
def test_a_wrong_override_is_told(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(TABLE2, [override])


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train_dataset is missing"):
        load(write(tmp_path, "task: classification"))


def test_a_circle_of_bases_is_told(tmp_path: Path) -> None:
    write(tmp_path, "_base_: b.yml", "a.yml")
    write(tmp_path, "_base_: a.yml", "b.yml")
    with pytest.raises(ConfigError, match="circular _base_"):
        load(tmp_path / "a.yml")


def test_a_file_of_another_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected phantom"):
        load_config(TABLE2, PhantomPreparationSettings)


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(write(tmp_path, "seed: !!python/object/apply:os.system ['true']"))


def test_the_resolved_text_resolves_to_itself(tmp_path: Path) -> None:
    config = load(TABLE2, ["seed=3"])
    again = load(write(tmp_path, config.text()))
    assert again == config
    assert yaml.safe_load(config.text()) == config.tree


def test_flat_names_keys_with_points() -> None:
    assert flatten({"a": {"b": 1, "c": [1]}, "d": True}) == {"a.b": 1, "a.c": "[1]", "d": "True"}


def test_a_shipped_configuration_is_found_by_its_path_from_any_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(Path("classification/table2.yml")) == load(TABLE2)
    own = write(tmp_path, f"_base_: {TABLE2}\nseed: 11", "own.yml")
    assert load(Path("own.yml")).settings.seed == load(own).settings.seed == 11


def test_a_file_of_the_working_folder_goes_before_a_shipped_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classification").mkdir()
    write(tmp_path / "classification", f"_base_: {TABLE2}\nseed: 12", "table2.yml")
    assert load(Path("classification/table2.yml")).settings.seed == 12


def test_a_missing_file_names_the_nearest_shipped_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"tabel2.yml does not exist.*did you mean classification/table2"):
        load(Path("classification/tabel2.yml"))
    assert SHIPPED_CONFIGS == CONFIGS


class Numbers(Settings):
    numbers: list[int]


def test_a_data_file_needs_no_task(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "numbers: [1, 2]"), Numbers).settings == Numbers(numbers=[1, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping"),
        ("numbers: [1]\nother: 2", "other is not a setting"),
        ("numbers: [one]", r"numbers\.0 is 'one': input should be a valid integer"),
        ("numbers: [{a: 1, a: 2}]", "the key a is given twice"),
        ("numbers: &a [*a]", r"numbers\.0"),
    ],
)
def test_a_wrong_data_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(tmp_path, text), Numbers)
    assert "run.yml" in str(caught.value)
