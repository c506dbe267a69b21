"""KLV packets: the standard's own example values, checksums, damage."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import UtcTime
from edge.telemetry import (
    TelemetryError,
    klv,
    read_telemetry,
)
from edge.telemetry.klv import (
    BAD_CHECKSUM,
    CUT,
    KEY,
    MALFORMED,
    NO_CHECKSUM,
    MalformedError,
    checksum,
    items,
    length_bytes,
    packet_bytes,
    packets,
    read_length,
)
from edge.telemetry.misb_items import ITEMS

VECTORS = [
    (5, "71c2", 159.9743648),
    (6, "fd3d", -0.4315317),
    (7, "08b8", 3.4058657),
    (13, "5595b66d", 60.176822967),
    (14, "5b5360c4", 128.426759042),
    (15, "c221", 14190.7195),
    (16, "cd9c", 144.5712978),
    (17, "d917", 152.6436255),
    (18, "724a0a20", 160.7192114),
    (19, "87f84b86", -168.7923248),
    (20, "7dc55ece", 176.8654376),
    (21, "03830926", 68590.983299),
    (22, "1281", 722.819867),
    (23, "f101a229", -10.542388633),
    (24, "14bc082b", 29.157890123),
    (25, "34f3", 3216.03723),
]
NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
NOON_RAW = round(NOON.timestamp() * 1e6).to_bytes(8, "big")


@pytest.mark.parametrize(("tag", "raw", "value"), VECTORS)
def test_items_decode_to_the_standards_own_values(tag, raw, value) -> None:
    decoded = ITEMS[tag].decode(bytes.fromhex(raw))
    assert decoded == pytest.approx(value, abs=0.6 * 10 ** -len(str(value).partition(".")[2]))
    assert ITEMS[tag].encode(decoded).hex() == raw


@pytest.mark.parametrize("tag", [6, 7, 13, 14, 19, 23, 24, 90, 91])
def test_the_least_signed_number_says_out_of_range(tag) -> None:
    raw = b"\x80" + bytes(ITEMS[tag].size - 1)
    assert ITEMS[tag].decode(raw) is None


def test_the_time_and_the_version_are_read(test_data) -> None:
    data = (test_data / "telemetry/misb/DynamicOnlyMISMMSPacketData.bin").read_bytes()
    (found,) = packets(data, Counter())
    assert found.numbers[2] == 1231798102000000
    assert found.numbers[65] == 6


def test_a_packet_with_a_right_checksum_is_read_and_one_with_a_wrong_one_is_not(test_data) -> None:
    folder = test_data / "telemetry" / "misb"
    good = (folder / "DynamicOnlyMISMMSPacketData.bin").read_bytes()
    assert checksum(good[:-2]) == 0xC850
    assert len(read_telemetry(folder / "DynamicOnlyMISMMSPacketData.bin").samples) == 1
    bad = (folder / "DynamicConstantMISMMSPacketData.bin").read_bytes()
    assert (checksum(bad[:-2]), bad[-2:].hex()) == (0x3E1E, "aa43")
    with pytest.raises(TelemetryError, match=f"1 {BAD_CHECKSUM}"):
        read_telemetry(folder / "DynamicConstantMISMMSPacketData.bin")


def test_one_flipped_bit_anywhere_loses_that_packet_and_no_other(bare_klv) -> None:
    starts = [found.start() for found in re.finditer(re.escape(KEY), bare_klv)]
    broken = bytearray(bare_klv)
    broken[starts[3] + 40] ^= 0x10
    skipped: Counter[str] = Counter()
    assert len(list(packets(bytes(broken), skipped))) == len(starts) - 1
    assert skipped == {BAD_CHECKSUM: 1}


def test_what_is_cut_short_or_malformed_is_counted(pack_items) -> None:
    whole = pack_items([(2, NOON_RAW)], key=KEY, total=checksum)
    spilling = KEY + length_bytes(9) + b"\x05\x09\x71\xc2\x00\x01\x02"
    spilling += checksum(spilling).to_bytes(2, "big")
    unsummed = KEY + length_bytes(4) + b"\x05\x02\x71\xc2"
    skipped: Counter[str] = Counter()
    found = list(packets(unsummed + b"noise" + whole + spilling + whole[:-3], skipped))
    assert [packet.numbers[2] for packet in found] == [NOON.timestamp() * 1e6]
    assert skipped == {NO_CHECKSUM: 1, MALFORMED: 1, CUT: 1}


@given(st.integers(0, 2**31))
def test_ber_lengths_survive_a_round_trip(length) -> None:
    raw = length_bytes(length)
    assert read_length(raw, 0) == (length, len(raw))


@pytest.mark.parametrize("raw", ["", "80", "85ffffffffff", "82ff"])
def test_a_length_that_is_none_is_malformed(raw) -> None:
    with pytest.raises(MalformedError):
        read_length(bytes.fromhex(raw), 0)


def test_tags_of_two_bytes_are_read() -> None:
    assert list(items(bytes.fromhex("8104 01 aa 05 02 71c2".replace(" ", "")))) == [
        (132, b"\xaa"),
        (5, b"\x71\xc2"),
    ]


@pytest.mark.parametrize("number", [-900.0, -899.99, 0.0, 1.0, 1120.123, 40_000.0])
def test_the_extended_height_survives_a_round_trip(number) -> None:
    assert ITEMS[104].decode(ITEMS[104].encode(number)) == pytest.approx(number, abs=1e-4)
    assert ITEMS[104].decode(b"\xc8\x00\x00\x00") is None, "infinity is no height"


def test_a_length_made_too_long_costs_its_packet_and_not_the_next() -> None:
    first = packet_bytes({2: NOON.timestamp() * 1e6, 13: 22.5})
    longer = first[: len(KEY)] + bytes((first[len(KEY)] + 9,)) + first[len(KEY) + 1 :]
    skipped: Counter[str] = Counter()
    assert len(list(packets(longer + first, skipped))) == 1
    assert skipped == {CUT: 1}


def test_no_packet_is_longer_than_any_set_is() -> None:
    skipped: Counter[str] = Counter()
    data = KEY + length_bytes(1 << 17) + bytes((1 << 17) - 4) + b"\x01\x02\x00\x00"
    assert list(packets(data, skipped)) == []
    assert skipped == {MALFORMED: 1}


def test_keys_whose_lengths_all_reach_to_the_end_are_summed_up_once(monkeypatch) -> None:
    """168 KB of them took 3.6 s, and four times that for twice as many."""
    summed: list[int] = []
    monkeypatch.setattr(klv, "checksum", lambda data: summed.append(len(data)) or 0)
    count, size = 2000, len(KEY) + 5
    data = b"".join(
        KEY + b"\x84" + (size * (count - number - 1) + 4).to_bytes(4, "big")
        for number in range(count)
    )
    skipped: Counter[str] = Counter()
    list(packets(data + b"\x01\x02\x00\x00", skipped))
    assert skipped.total() == count - 1
    assert sum(summed) <= len(data)
