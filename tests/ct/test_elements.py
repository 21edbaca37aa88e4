from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from lung_ssp.ct.elements import LONGEST_VALUE, Elements
from lung_ssp.errors import SeriesError

PATH = Path("slice.dcm")


def holding(keyword: str, vr: str | None, value: bytes | None, little: bool = True) -> Elements:
    dataset = pydicom.Dataset()
    tag = Tag(keyword)
    length = 2**31 if value is None else len(value)
    dataset._dict[tag] = RawDataElement(tag, vr, length, value, 0, vr is None, little, True)
    return Elements(dataset, PATH, "1.2.3")


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "little", "number"),
    [
        ("Rows", "US", b"\x00\x02", True, 512),
        ("Rows", "US", b"\x02\x00", False, 512),
        ("Rows", "UL", b"\x00\x02\x00\x00", True, 512),
        ("Rows", "IS", b"512 ", True, 512),
        ("Rows", None, b"\x00\x02", True, 512),
        ("Rows", "UN", b"\x00\x02", True, 512),
        ("Rows", "ZZ", b"\x00\x02", True, 512),
        ("RescaleSlope", "DS", b" 0.5", True, 0.5),
        ("RescaleSlope", "FD", b"\0\0\0\0\0\0\xe0?", True, 0.5),
        ("RescaleSlope", None, b"5e-1", True, 0.5),
        ("PixelPaddingValue", "SS", b"\x30\xf8", True, -2000),
    ],
)
def test_a_number_is_read_from_whatever_vr_a_file_gives_it(keyword, vr, value, little, number):
    assert holding(keyword, vr, value, little).number(keyword) == number


@pytest.mark.parametrize(
    "value",
    [b"nan", b"inf", b"-inf", b"1_0", b"1\\2", b"0x10", b"1e999", b"one", b"\\", b"9" * (LONGEST_VALUE + 1), None],
)
def test_what_is_not_one_finite_number_is_told(value):
    with pytest.raises(SeriesError, match=r"slice.dcm \(series 1.2.3\) has an unreadable RescaleSlope") as caught:
        holding("RescaleSlope", "DS", value).number("RescaleSlope")
    assert caught.value.reason == "header"


def empty_in_a_file(folder: Path) -> Elements:
    """Of an empty number, pydicom gives another raw value than of an empty text."""
    dataset = pydicom.Dataset()
    dataset.RescaleSlope, dataset.NumberOfFrames, dataset.PixelPaddingValue = None, None, None
    dataset.HighBit = None
    dataset["PixelPaddingValue"].VR = "SS"
    dataset.save_as(folder / "empty.dcm", implicit_vr=False, little_endian=True)
    return Elements(pydicom.dcmread(folder / "empty.dcm", force=True), PATH, "1.2.3")


def test_what_is_missing_or_empty_is_told(tmp_path):
    elements = empty_in_a_file(tmp_path)
    assert not any(name in elements for name in ("NumberOfFrames", "PixelPaddingValue", "HighBit"))
    assert "RescaleSlope" not in holding("RescaleSlope", "DS", b"")
    assert "RescaleSlope" not in empty_in_a_file(tmp_path)
    for elements in (
        holding("RescaleSlope", "DS", b""),
        holding("Rows", "US", b"\0\1"),
        empty_in_a_file(tmp_path),
    ):
        with pytest.raises(SeriesError, match="has no RescaleSlope"):
            elements.number("RescaleSlope")
        assert elements.text("RescaleSlope") == ""


@pytest.mark.parametrize("value", [b"1.5", b"-1", b"4097", b"99999999999"])
def test_whole_numbers_have_limits(value):
    with pytest.raises(SeriesError, match="unreadable or impossible Rows"):
        holding("Rows", "IS", value).whole_number("Rows", 1, 4096)


def test_texts_lose_padding_and_control_characters():
    elements = holding("ConvolutionKernel", "SH", b"B30f \\\x1b[31mB80f\0")
    assert elements.texts("ConvolutionKernel") == ["B30f", "?[31mB80f"]


@pytest.mark.parametrize(("value", "cut"), [(b"1." * 32, False), (b"1." * 31 + b"1\0", False), (b"1." * 100, True)])
def test_a_unique_identifier_longer_than_the_standard_allows_is_cut(value, cut):
    elements = holding("SeriesInstanceUID", "UI", value)
    assert len(elements.uid("SeriesInstanceUID")) <= 64
    assert elements.is_uid_cut("SeriesInstanceUID") == cut


def test_a_sequence_that_is_none_is_told():
    with pytest.raises(SeriesError, match="unreadable SharedFunctionalGroupsSequence"):
        holding("SharedFunctionalGroupsSequence", "SQ", b"\x01\x02\x03").items("SharedFunctionalGroupsSequence")
    assert holding("Rows", "US", b"\0\1").items("SharedFunctionalGroupsSequence") == []


@given(
    keyword=st.sampled_from(
        ["Rows", "RescaleSlope", "PixelSpacing", "ImageType", "SeriesInstanceUID", "PixelPaddingValue"]
    ),
    vr=st.one_of(st.none(), st.text("ABCDEFILNOQSTUVWX", min_size=2, max_size=2)),
    value=st.binary(max_size=64),
    little=st.booleans(),
)
def test_any_bytes_give_a_value_or_a_sentence(keyword, vr, value, little):
    elements = holding(keyword, vr, value, little)
    assert isinstance(elements.text(keyword), str)
    for read in (elements.number, elements.whole_number, lambda name: elements.numbers(name, 2), elements.items):
        try:
            read(keyword)
        except SeriesError as error:
            assert keyword in str(error)
