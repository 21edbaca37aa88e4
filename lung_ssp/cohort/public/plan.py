"""From the index to the plan of a public collection: which series to download, and a reason for each of the others."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from lung_ssp.cohort.idc.amounts import MB_OF_GB, size_text
from lung_ssp.cohort.idc.download import manifest_text, problem_of_series
from lung_ssp.cohort.idc.index import PARQUET_PROBLEMS, REPEATING, check_size, own_index, read_collection
from lung_ssp.cohort.public.selection import CT, classify, narrow
from lung_ssp.cohort.public.settings import CollectionSettings
from lung_ssp.errors import CohortError, DamagedFile, shown
from lung_ssp.files import read_bytes, sha256_of, write_atomically, write_json, write_text
from lung_ssp.folders import alone_in, others_in
from lung_ssp.paths import is_plain_name
from lung_ssp.records import read_record

PLAN, SERIES, SUMMARY, SUMMARY_TEXT, MANIFEST = (
    *("plan.parquet", "series.csv"),
    *("summary.json", "summary.txt", "manifest.s5cmd"),
)
ROLES = (CT, "outlines", "ratings", "boxes")
PLANNED = "planned"
COLUMNS = {**REPEATING, "license_short_name": "licence", "source_DOI": "doi"}
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("role", "participant", "series_uid", "study_uid", "crdc_series_uuid")),
        ("instances", pa.int64()),
        ("size_mb", pa.float64()),
        *((name, pa.string()) for name in ("source", "description", "licence", "doi")),
        ("study_year", pa.int64()),  # of NLST's plans; null
    ]
)
AGAIN = "make the plan again"


@dataclass(frozen=True)
class Amounts:
    """Series, patients, files and GB (1e9 bytes) of one kind."""

    series: int
    patients: int
    files: int
    gb: float


@dataclass(frozen=True)
class PublicPlanSummary:
    """The numbers of a plan.

    key: hash of what it is made from. patients: in the index, and planned.
    outcomes: by modality and analysis, how many series are planned and why others are not; they add up to the index.
    planned: by role, and "all". licences: planned series by licence and source (a DOI).
    """

    key: str
    collection: str
    patients: int
    planned_patients: int
    outcomes: dict[str, dict[str, int]]
    planned: dict[str, Amounts]
    licences: dict[str, int]
    citation: list[str]


class PlanNote(BaseModel):
    """What is read back of summary.json."""

    key: str


def make_public_plan(
    source: CollectionSettings,
    out: Path,
    *,
    patients: Path | None = None,
    only_annotated: bool = False,
    max_gb: float | None = None,
) -> PublicPlanSummary:
    """Plan which series of a collection to download; nothing is downloaded. The same inputs give the same bytes.

    Args:
        out: gets plan.parquet (one row a planned series), series.csv (every series of the index and what becomes of
            it), summary.json, summary.txt and manifest.s5cmd.
        patients: text file with one PatientID a line, to plan only these.
        only_annotated: plan only scans of studies with an annotation.
        max_gb: plan whole patients up to this size (1e9 bytes).

    Raises:
        CohortError: the index is missing or damaged, a planned series has another licence than the description names,
            no scan is left, or `out` holds another plan.
        EnvironmentProblem: no index is named and idc-index-data is not installed.
    """
    out = Path(out)
    if max_gb is not None and not max_gb > 0:
        raise CohortError(f"--max-gb is {max_gb:g}: it must be a positive number of GB.")
    path = Path(source.index) if source.index is not None else own_index()
    index = read_collection(path, source.collection, repeating=COLUMNS)
    wanted = None if patients is None else read_patients(patients, set(index["participant"].cat.categories))
    narrowing = [sorted(wanted) if wanted is not None else None, only_annotated, max_gb]
    made_from = [source.model_dump(exclude={"index"}), narrowing, sha256_of(path)]
    key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    _refuse_other_plan(out, key)

    limit = None if max_gb is None else max_gb * MB_OF_GB
    series = narrow(classify(index, source), wanted, only_annotated, limit)
    planned = series[series["reason"].eq("")]
    if not planned["role"].eq(CT).any():
        counts = "; ".join(f"{count:,} series: {why}" for why, count in series["reason"].value_counts().items())
        raise CohortError(f"no scan is left to plan ({counts}): change the settings, or narrow the plan less.")
    _require_licence(planned, source)
    plan = planned.assign(source=planned["analysis"], study_year=pd.Series(pd.NA, planned.index, dtype="Int64"))
    plan = plan.astype(dict.fromkeys(COLUMNS.values(), object) | {"source": object})
    plan = plan.sort_values(["participant", "study_uid", "role", "series_uid"], ignore_index=True)
    summary = _summarise(key, source, series, plan)
    with alone_in(out):
        _refuse_other_plan(out, key)
        # The plan itself comes last: where it exists, everything else does.
        write_json(out / SUMMARY, asdict(summary))
        write_text(out / SUMMARY_TEXT, public_plan_text(summary))
        write_text(out / MANIFEST, manifest_text(plan))
        columns = ["participant", "study_uid", "series_uid", "modality", "analysis", "description", "instances"]
        listed = series.assign(outcome=series["reason"].where(series["reason"].ne(""), PLANNED))
        listed = listed[[*columns, "size_mb", "licence", "role", "outcome"]]
        write_text(out / SERIES, listed.sort_values("series_uid").to_csv(index=False))
        table = pa.Table.from_pandas(plan, schema=SCHEMA, preserve_index=False).replace_schema_metadata(None)
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_atomically(out / PLAN, lambda file: file.write(buffer.getvalue()))
    return summary


def read_public_plan(out: Path) -> pd.DataFrame:
    """Read and check <out>/plan.parquet: the columns of SCHEMA.

    Raises:
        CohortError: there is no plan, or it is damaged.
    """
    path = Path(out) / PLAN
    if not path.is_file():
        raise CohortError(f"{out} holds no plan: make one with lung-ssp prepare plan.")
    try:
        check_size(path)
        table = pq.read_table(path)
        if absent := [name for name in SCHEMA.names if name not in table.column_names]:
            raise CohortError(f"{path} is no plan of a public collection, it lacks {', '.join(absent)}: {AGAIN}.")
        plan = table.select(SCHEMA.names).cast(SCHEMA).to_pandas()
    except PARQUET_PROBLEMS as error:
        raise CohortError(f"{path} is damaged or no plan: {AGAIN}.") from error
    needed = ["role", "participant", "series_uid", "study_uid", "crdc_series_uuid", "instances", "size_mb", "source"]
    problem = ""
    if plan[needed].isna().to_numpy().any():
        problem = f"one of {', '.join(needed)} is missing somewhere"
    elif not plan["role"].isin(ROLES).all():
        problem = "a role is unknown"
    elif not all(map(is_plain_name, plan["participant"].unique())):
        problem = "a patient has a name that no file can have"
    elif not plan.loc[plan["role"].ne(CT), "study_uid"].isin(plan.loc[plan["role"].eq(CT), "study_uid"]).all():
        problem = "an annotation is of a study without a scan"
    if problem := problem or problem_of_series(plan):
        raise CohortError(f"{path}: {problem}: {AGAIN}.")
    return plan


def read_patients(path: Path, known: set[str]) -> set[str]:
    """The patients that a text file lists, one PatientID a line; # begins a comment.

    Raises:
        CohortError: the file cannot be read, lists nobody, or a line names nobody of the index.
    """
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise CohortError(f"{path} cannot be read ({error.strerror}): name a file with one patient a line.") from error
    except (UnicodeDecodeError, DamagedFile) as error:
        raise CohortError(f"{path} is no text: name a file with one patient a line.") from error
    names = {number: line.partition("#")[0].strip() for number, line in enumerate(lines, start=1)}
    wanted = {name for name in names.values() if name}
    if not wanted:
        raise CohortError(f"{path} lists no patient: write one PatientID a line.")
    for number, name in names.items():
        if name and name not in known:
            raise CohortError(f"{path}, line {number}: {shown(name)} is no patient of the index; correct the line.")
    return wanted


def _require_licence(planned: pd.DataFrame, source: CollectionSettings) -> None:
    licence = planned["licence"].astype(object).fillna("")
    other = planned[~licence.isin(source.licence)]
    if len(other):
        raise CohortError(
            f"{len(other):,} planned series have the licence {shown(str(other['licence'].iloc[0]))}, which the "
            f"description does not name: read it, and add it to source.licence."
        )


def _refuse_other_plan(out: Path, key: str) -> None:
    if (out / SUMMARY).is_file():
        try:
            note = read_record(out / SUMMARY, PlanNote, f"remove the folder and {AGAIN}")
        except DamagedFile as error:
            raise CohortError(str(error)) from error
        if note.key != key:
            raise CohortError(
                f"{out} holds a plan of another index, of other settings or narrowing: choose another folder "
                "(folders.plan), or remove that one."
            )
    elif out.exists() and (not out.is_dir() or others_in(out)):
        raise CohortError(f"{out} is not empty and holds no plan: choose another folder.")


def _summarise(key: str, source: CollectionSettings, series: pd.DataFrame, plan: pd.DataFrame) -> PublicPlanSummary:
    kinds = (series["modality"].astype(str) + " " + series["analysis"].astype(str)).str.strip()
    outcome = series["reason"].where(series["reason"].ne(""), PLANNED)
    return PublicPlanSummary(
        key=key,
        collection=source.collection,
        patients=int(series["participant"].nunique()),
        planned_patients=int(plan["participant"].nunique()),
        outcomes={str(kind): _counts(own) for kind, own in outcome.groupby(kinds)},
        planned={role: _amounts(plan[plan["role"].eq(role)]) for role in ROLES if plan["role"].eq(role).any()}
        | {"all": _amounts(plan)},
        licences=_counts(plan["licence"].astype(str) + ", doi:" + plan["doi"].astype(str)),
        citation=source.citation,
    )


def _amounts(rows: pd.DataFrame) -> Amounts:
    gb = round(float(rows["size_mb"].sum()) / MB_OF_GB, 6)
    return Amounts(len(rows), int(rows["participant"].nunique()), int(rows["instances"].sum()), gb)


def _counts(values: pd.Series) -> dict[str, int]:
    counts: dict[Any, int] = values.astype(object).value_counts().to_dict()
    return {str(name): int(n) for name, n in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}


def public_plan_text(summary: PublicPlanSummary) -> str:
    """What a plan holds and what it leaves out."""
    lines = [
        f"index: {summary.patients:,} patients of {summary.collection}, {summary.planned_patients:,} of them planned",
        "",
    ]
    for kind, outcomes in summary.outcomes.items():
        lines += [f"{kind}: {sum(outcomes.values()):,} series", *(f"  {n:>7,}  {why}" for why, n in outcomes.items())]
    lines += ["", "to download:"]
    for role, own in summary.planned.items():
        size = size_text(own.gb * MB_OF_GB)
        lines.append(
            f"  {role:<9}{own.series:>7,} series of {own.patients:>5,} patients {own.files:>9,} files {size:>10}"
        )
    lines += ["", "licences of the planned series:", *(f"  {n:>7,}  {name}" for name, n in summary.licences.items())]
    return "\n".join([*lines, "", "to cite:", *(f"  {text}" for text in summary.citation)]) + "\n"
