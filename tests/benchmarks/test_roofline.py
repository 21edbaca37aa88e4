"""Lower bounds on paper against lower bounds by hand."""

from pathlib import Path

import pytest

from lung_ssp.benchmark.counting import Cost
from lung_ssp.errors import ConfigError
from roofline import DeviceSettings, lower_bound_ms, main, roofline

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DEVICE = DeviceSettings(
    task="device", name="a card", source="made up", float32_tflops=1.0, float16_tflops=8.0, gigabytes_per_second=100.0
)


def test_each_operator_takes_its_products_or_its_memory() -> None:
    # 2e9 operations: 2 ms at 1 TFLOP/s, 0.25 ms at 8. 50e6 elements: 2 ms at 4 bytes and 100 GB/s, 1 ms at 2 bytes.
    step = [Cost("conv2d", 4_000_000_000, 50_000_000), Cost("relu", 0, 50_000_000), Cost("Adam", 0, 25_000_000)]
    assert lower_bound_ms(step, DEVICE, mixed=False) == pytest.approx(4.0 + 2.0 + 1.0)
    assert lower_bound_ms(step, DEVICE, mixed=True) == pytest.approx(1.0 + 1.0 + 1.0)


@pytest.mark.slow
def test_the_table_names_each_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    configs = ["classification/smoke.yml", "segmentation/smoke.yml"]
    assert main(["--on", "device/v100.yml", "--config", *configs]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Tesla V100" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == configs


def test_a_fault_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--on", "device/v1000.yml", "--config", "classification/smoke.yml"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "did you mean device/v100.yml" in sentence


def test_what_is_not_counted_is_refused() -> None:
    device = CONFIGS / "device" / "v100.yml"
    with pytest.raises(ConfigError, match="two inputs"):
        roofline([CONFIGS / "classification" / "two_inputs_smoke.yml"], device)
    with pytest.raises(ConfigError, match="expected classification or segmentation"):
        roofline([CONFIGS / "cohort" / "phantom.yml"], device)
