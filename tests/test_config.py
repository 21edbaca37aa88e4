"""The configuration system: PaddleSeg's dialect, typed, and strict."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from paddleseg.cvlibs import Config as PaddleSegConfig

from lung_ssp.candidates.settings import FalsePositiveSettings
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.candidates.settings import CandidatesSettings
from lung_ssp.cohort.lung_scans.settings import LungScansSettings
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.nodules.rules import DiagnosisRule, MalignancyRule
from lung_ssp.cohort.nodules.settings import NodulePreparationSettings
from lung_ssp.cohort.phantom.settings import PhantomPreparationSettings
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.cohort.settings import ManifestSettings
from lung_ssp.config import LARGEST_CONFIG, SHIPPED_CONFIGS, Config, flatten, load_config, merge, parse_value, resolve
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.settings import Settings
from lung_ssp.studies.settings import StudySettings
from roofline import DeviceSettings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
RULES = {"malignancy": MalignancyRule, "diagnosis": DiagnosisRule}  # of a cohort of nodules, by the name of their files
ALL = sorted(path for path in CONFIGS.rglob("*.yml") if path.parent.name != "nodules")
TABLE2 = CONFIGS / "classification" / "table2.yml"
KINDS: dict[str, type[Settings]] = {
    "classification": ClassificationSettings,
    "segmentation": SegmentationSettings,
    "false_positives": FalsePositiveSettings,
    "candidates": CandidatesSettings,
    "phantom": PhantomPreparationSettings,
    "manifest": ManifestSettings,
    "nodules": NodulePreparationSettings,
    "lung_scans": LungScansSettings,
    "nlst": NlstSettings,
    "study": StudySettings,
    "public": PublicSettings,
    "device": DeviceSettings,
}


def load(path: Path, overrides: Sequence[str] = ()) -> Config[ClassificationSettings]:
    return load_config(path, ClassificationSettings, overrides)


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    tasks = {
        "cohort": ("phantom", "manifest", "nodules", "lung_scans", "candidates", "nlst", "public"),
        "candidates": ("false_positives",),
        "studies": ("study",),
    }.get(path.parent.name, (path.parent.name,))
    file = resolve(path)
    assert file.tree["task"] in tasks
    file.check(file.choose(KINDS))


def test_every_shipped_rule_is_valid() -> None:
    assert {path.stem for path in (CONFIGS / "nodules").glob("*.yml")} == set(RULES)
    for name, kind in RULES.items():
        load_config(f"nodules/{name}.yml", kind)


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
        ("numbers: &a [*a]", r"the alias \*a refers to itself"),
        ("numbers: [1]\non: 3", "a key must be a word"),
        ("numbers: [2024-01-01]", r"numbers\.0 is '2024-01-01': input should be a valid integer"),
        ("x" * 1000 + ": 1", r"x\.\.\. is not a setting"),
        ("numbers: '" + "x" * 100_000 + "'", r"numbers is 'x+'\.\.\.: input should be a valid list"),
        ("numbers: [" + "9" * 90 + ", 'a']", r"numbers\.1"),
        ("numbers: [[[[[[1]]]]]]", r"numbers\.0"),
    ],
)
def test_a_wrong_data_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(tmp_path, text), Numbers)
    assert "run.yml" in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(tmp_path))


UNREADABLE = {
    "not UTF-8": lambda path: path.write_bytes(b"numbers: [1]\n\xff"),
    "NUL": lambda path: path.write_bytes(b"numbers: [\0]"),
    "too large": lambda path: path.write_bytes(b"#" * (LARGEST_CONFIG + 1)),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_text_file_is_told_at_once(tmp_path: Path, what: str) -> None:
    path = tmp_path / "run.yml"
    UNREADABLE[what](path)
    with pytest.raises(ConfigError, match=r"run\.yml (is not valid YAML|is no ordinary file|has more than 1 MB)"):
        load_config(path, Numbers)
    base = write(tmp_path, "_base_: run.yml", "own.yml")
    with pytest.raises(ConfigError, match=r"run\.yml (is not valid YAML|is no ordinary file|has more than 1 MB)"):
        load_config(base, Numbers)


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 5000), write(tmp_path, f"_base_: {'y' * 5000}")):
        with pytest.raises(ConfigError, match=r"cannot be opened \(File name too long\): name another file") as caught:
            load_config(path, Numbers)
        assert len(str(caught.value)) < 500


@pytest.mark.filterwarnings("error")
def test_text_that_looks_like_code_is_read_without_a_warning() -> None:
    assert parse_value("0x1in") == "0x1in"


def test_files_that_build_upon_ever_more_files_are_refused(tmp_path: Path) -> None:
    for depth in range(30):
        write(tmp_path, f"_base_: [{depth + 1}.yml, {depth + 1}.yml]", f"{depth}.yml")
    write(tmp_path, "numbers: [1]", "30.yml")
    with pytest.raises(ConfigError, match=r"0\.yml builds upon more than 100 files"):
        load_config(tmp_path / "0.yml", Numbers)
    assert load_config(tmp_path / "25.yml", Numbers).settings.numbers == [1]


@pytest.mark.parametrize(
    "override",
    [
        "numbers=" + "9" * 5000,
        "numbers=0x" + "f" * 2000,
        "numbers=" + "[" * 5000,
        "numbers=" + "(" * 90 + ")" * 90,
        "numbers=" + "-" * 9000 + "1",
        "numbers={[]: 1}",
        "numbers=!!int x",
        "numbers='a\\x1b[2J'",
        "numbers=" + "x" * 10**7,
        "numbers=[1" + ",1" * 9000 + "]",
        "a..b=1",
        ".=1",
        "=1",
        "=",
        "a.=1",
        "numbers.0=1",
        "\x1b=1",
        ".".join("a" * 100) + "=1",
    ],
)
def test_an_override_beyond_the_limits_is_told(tmp_path: Path, override: str) -> None:
    path = write(tmp_path, "numbers: [1]")
    with pytest.raises(ConfigError) as caught:
        load_config(path, Numbers, [override])
    assert len(str(caught.value)) < 700 and "\x1b" not in str(caught.value) and "\n" not in str(caught.value)


class Pair(Settings):
    one: Numbers
    two: Numbers


def test_an_override_changes_one_of_two_groups_that_share_an_anchor(tmp_path: Path) -> None:
    path = write(tmp_path, "one: &a {numbers: [1]}\ntwo: *a")
    settings = load_config(path, Pair, ["one.numbers=[2]"]).settings
    assert (settings.one.numbers, settings.two.numbers) == ([2], [1])


@pytest.mark.parametrize(
    ("config", "override"),
    [
        *(
            ("classification/table2.yml", override)
            for override in (
                "batch_size=1000000000000",
                "epochs=1000000000000",
                "seed=" + "9" * 30,
                "model.num_classes.image=1000000000000",
                "model.fully_connected=1000000000000",
                "model.conv_channels=[32,1000000000000]",
                "model.conv_channels=[0,64]",
                "model.image_size=4000",
            )
        ),
        ("segmentation/improved_unet.yml", "batch_size=1000000000000"),
        ("segmentation/improved_unet.yml", "train_dataset.patch_size=1600000"),
        ("segmentation/improved_unet.yml", "slices.spacing_mm=[0.0001,0.0001,0.0001]"),
        ("cohort/phantom.yml", "cohort.phantom.sections.counts.train.normal=1000000000000"),
        ("cohort/phantom.yml", "cohort.phantom.sections.pixel_mm=[0.00001,1.0]"),
        ("cohort/phantom.yml", "cohort.phantom.scans.slices=[16,1000000000]"),
        ("cohort/phantom.yml", "tiles.tiles_per_slide=1000000000000"),
        ("cohort/nlst.yml", "workers.count=1000000"),
    ],
)
def test_a_number_that_would_take_all_memory_is_refused(config: str, override: str) -> None:
    file = resolve(config, [override])
    with pytest.raises(ConfigError, match=r"input should be (less|greater) than") as caught:
        file.check(file.choose(KINDS))
    assert override.partition("=")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        (
            "classification/table2.yml",
            ["model.image_size=512", "model.fully_connected=8192"],
            "fc3 would have 8,589,934,592 weights, more than 250,000,000: lower image_size",
        ),
        (
            "cohort/phantom.yml",
            ["tiles.size=1024", "tiles.tiles_per_slide=10000"],
            "the tiles of one slide would take 31.5 GB, more than 2: lower size or tiles_per_slide",
        ),
        (
            "cohort/phantom.yml",
            [f"cohort.phantom.sections.counts.train.{name}=100000" for name in ("normal", "carcinoid", "small_cell")],
            "the train split has .* sections, 200,000 at most",
        ),
    ],
)
def test_numbers_that_together_would_take_all_memory_are_refused(
    config: str, overrides: list[str], message: str
) -> None:
    file = resolve(config, overrides)
    with pytest.raises(ConfigError, match=message):
        file.check(file.choose(KINDS))


def test_what_is_wrong_with_a_file_as_a_whole_names_no_key() -> None:
    with pytest.raises(ConfigError, match=r"table2\.yml: the three data sets must be of one cohort"):
        load(TABLE2, ["test_dataset.dataset_root=elsewhere"])
