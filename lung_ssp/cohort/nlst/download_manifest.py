"""The download manifest in idc-index's own format, which its client and s5cmd read."""

import pandas as pd


def manifest_text(series: pd.DataFrame) -> str:
    """One copy command a series: all files of its folder in IDC's public bucket, into the working folder.

    Args:
        series: bucket and crdc_series_uuid.
    """
    commands = [
        f"cp s3://{bucket}/{uuid}/* ."
        for bucket, uuid in zip(series["bucket"], series["crdc_series_uuid"], strict=True)
    ]
    return "\n".join([*commands, ""])
