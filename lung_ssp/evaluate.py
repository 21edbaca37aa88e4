"""The evaluation of either task's run."""

from pathlib import Path

from lung_ssp import __version__
from lung_ssp.classification.evaluate import evaluate_classification
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError
from lung_ssp.files import read_json, write_json
from lung_ssp.segmentation.trained import evaluate_segmentation_run
from lung_ssp.training.run import best_fingerprint, check_cohort, run_config

DONE = "evaluation.json"  # what the measures in the folder were made from; written last


def evaluate_run(run: Path, table2: bool, real_nodules: Path | None) -> str:
    """Measure a run on its test samples; writes metrics.json, metrics.txt and figures/ into its folder.

    What has been measured already, with the same weights, cohort and options, is not measured again.

    Args:
        table2: set the log of a classification run beside the paper's Table 2.
        real_nodules: folder with real nodules for a segmentation run, None for none.

    Returns:
        the text report.
    """
    settings = load_config(run_config(run)).settings
    if settings.task == "classification" and real_nodules is not None:
        raise ConfigError("--real-nodules is for a segmentation run.")
    if settings.task == "segmentation" and table2:
        raise ConfigError("--table2 is for a classification run.")
    made_from = {
        "version": __version__,
        "weights": best_fingerprint(run),
        "cohort": check_cohort(run, Path(settings.train_dataset.dataset_root)).fingerprint,
        "table2": table2,
        "real_nodules": str(real_nodules) if real_nodules else None,
    }
    if (run / DONE).is_file() and read_json(run / DONE) == made_from:
        return (run / "metrics.txt").read_text(encoding="utf-8")
    if settings.task == "classification":
        report = evaluate_classification(run, table2)
    else:
        report = evaluate_segmentation_run(run, real_nodules)
    write_json(run / DONE, made_from)
    return report
