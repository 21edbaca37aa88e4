"""NLST's SeriesDescription."""

import math

import pandas as pd
import pytest

from lung_ssp.cohort.nlst.index import parse_description, parse_descriptions


def test_the_fields_of_a_description() -> None:
    parsed = parse_description("2,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5")
    assert parsed is not None
    assert (parsed.study_year, parsed.type, parsed.maker, parsed.model) == (2, "OPA", "GE", "LSPLUS")
    assert (parsed.kernel, parsed.field_mm, parsed.thickness_mm) == ("STANDARD", 360.0, 2.5)
    assert not parsed.is_localizer


def test_unknown_fields_are_no_numbers_and_no_kernel() -> None:
    parsed = parse_description("0,OPL,PH,MX8000,unkn,null,na,80,0,0,na")
    assert parsed is not None
    assert (parsed.maker, parsed.kernel) == ("Philips", "")
    assert math.isnan(parsed.field_mm)
    assert math.isnan(parsed.thickness_mm)
    assert parsed.is_localizer
    zero = parse_description("0,DS,PH,MX8000,UNK,0,0,na,na,na,na")
    assert zero is not None
    assert math.isnan(zero.thickness_mm)
    assert zero.kernel == ""


def test_a_field_of_view_with_a_comma_is_one_number() -> None:
    parsed = parse_description("1,OPL,SE,SEN16,T20s,1,024,na,80,223.7,223,na")
    assert parsed is not None
    assert parsed.field_mm == 1024.0
    # Eleven fields of which two look like such a number stay eleven.
    plain = parse_description("1,OPA,SE,SEN16,B30f,350,2,120,45,30,na")
    assert plain is not None
    assert (plain.field_mm, plain.thickness_mm) == (350.0, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Chest 2.5 mm",
        "3,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5",  # no such year
        "0,ABC,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5",  # no such type
        "0,OPA,GE,LSPLUS,STANDARD,360,thin,120,80,0.1,1.5",  # a thickness that is no number
        "0,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1",  # a field too few
        "0,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5,9",  # one too many
    ],
)
def test_another_form_is_not_read(text: str) -> None:
    assert parse_description(text) is None


def test_many_keep_their_rows_and_the_unreadable_are_missing() -> None:
    thin, thick = "0,OPA,SE,VZOOM,B30f,350,2,120,60,30,na", "1,OPA,TO,AQUL4,FC51,400,10,120,40,na,na"
    texts = pd.Series([thick, "nonsense", thin, None, thick], index=[7, 3, 9, 1, 5])
    parsed = parse_descriptions(texts)
    assert parsed.index.tolist() == [7, 3, 9, 1, 5]
    assert parsed["type"].isna().tolist() == [False, True, False, True, False]
    assert parsed["thickness_mm"].fillna(0).tolist() == [10.0, 0.0, 2.0, 0.0, 10.0]
    assert parsed["study_year"].fillna(9).tolist() == [1, 9, 0, 9, 1]
    assert parsed["localizer"].tolist() == [False] * 5
