"""KLV packets of MISB ST 0601: find them in bytes, check them, take them apart, write them.

```
  16 bytes universal key | BER length | tag, length, value | tag, length, value | … | 1, 2, sum
```
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from edge.telemetry.misb_items import CHECKSUM, ITEMS, TIME, VERSION

KEY: Final = bytes.fromhex("060e2b34020b01010e01030101000000")

BAD_CHECKSUM: Final = "packets with a wrong checksum"
NO_CHECKSUM: Final = "packets without a checksum"
CUT: Final = "packets cut short"
MALFORMED: Final = "packets whose items do not fill them"

_LONG_FORM: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4
# A set of a few hundred bytes is usual; a length beyond this is damage.
_LONGEST: Final = 1 << 16
_CHECKSUM_ITEM: Final = bytes((CHECKSUM, 2))
_CHECKSUM_BYTES: Final = 4  # of the whole item
_VERSION_WRITTEN: Final = 19

Numbers = dict[int, float]


class Found(NamedTuple):
    """One good packet."""

    start: int  # the address of its key
    numbers: Numbers  # by tag; the time in microseconds, the rest in the standard's units


class MalformedError(ValueError):
    """Bytes that are no BER length or tag; caught and counted where packets are read."""


def packets(data: bytes, skipped: Counter[str]) -> Iterator[Found]:
    """Yield the good packets of a stream; count the others by reason and go on behind them."""
    start = data.find(KEY)
    while start >= 0:
        after = start + len(KEY)
        try:
            length, first = read_length(data, after)
            numbers = _packet(data, start, first, first + length)
        except MalformedError as error:
            skipped[str(error)] += 1
        else:
            yield Found(start, numbers)
            after = first + length
        start = data.find(KEY, after)


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """Read a BER length; return it and the address behind it.

    Raises:
        MalformedError: The bytes end, or no length is that long.
    """
    if at >= len(data):
        raise MalformedError(CUT)
    first = data[at]
    if first < _LONG_FORM:
        return first, at + 1
    count = first - _LONG_FORM
    if not 0 < count <= _MOST_LENGTH_BYTES:
        raise MalformedError(MALFORMED)
    if at + 1 + count > len(data):
        raise MalformedError(CUT)
    return int.from_bytes(data[at + 1 : at + 1 + count], "big"), at + 1 + count


def length_bytes(length: int) -> bytes:
    """Write a BER length in its shortest form."""
    if length < _LONG_FORM:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((_LONG_FORM + size,)) + length.to_bytes(size, "big")


def checksum(data: bytes) -> int:
    """Return the 16-bit running sum over a packet up to the checksum's own tag and length."""
    return ((sum(data[::2]) << 8) + sum(data[1::2])) & 0xFFFF


def items(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, value) of a local set.

    Raises:
        MalformedError: The items do not fill the payload exactly.
    """
    at = 0
    while at < len(payload):
        tag, at = _read_tag(payload, at)
        length, at = read_length(payload, at)
        if at + length > len(payload):
            raise MalformedError(MALFORMED)
        yield tag, payload[at : at + length]
        at += length


def packet_bytes(numbers: Mapping[int, float]) -> bytes:
    """Write one packet, the time first and the checksum last, as the standard wants it.

    Raises:
        ValueError: A number lies outside of what its item can say.
    """
    body = b"\x02\x08" + round(numbers[TIME]).to_bytes(8, "big")
    for tag in sorted(numbers.keys() - {TIME, VERSION, CHECKSUM}):
        raw = ITEMS[tag].encode(numbers[tag])
        body += bytes((tag,)) + length_bytes(len(raw)) + raw
    body += bytes((VERSION, 1, _VERSION_WRITTEN))
    head = KEY + length_bytes(len(body) + _CHECKSUM_BYTES) + body + _CHECKSUM_ITEM
    return head + checksum(head).to_bytes(2, "big")


def _packet(data: bytes, start: int, first: int, end: int) -> Numbers:
    """Take one packet apart.

    It reaches no further than the next key, so that bytes full of keys whose lengths reach to the
    end of the file are not summed up once for every key.

    Raises:
        MalformedError: It is no good packet; says why.
    """
    if end - first > _LONGEST:
        raise MalformedError(MALFORMED)
    if end > len(data) or data.find(KEY, first, end + len(KEY) - 1) >= 0:
        raise MalformedError(CUT)
    if end - first < _CHECKSUM_BYTES or data[end - _CHECKSUM_BYTES : end - 2] != _CHECKSUM_ITEM:
        raise MalformedError(NO_CHECKSUM)
    if checksum(data[start : end - 2]) != int.from_bytes(data[end - 2 : end], "big"):
        raise MalformedError(BAD_CHECKSUM)
    numbers: Numbers = {}
    for tag, raw in items(data[first:end]):
        if tag == TIME:
            numbers[TIME] = float(int.from_bytes(raw[:8], "big"))
        elif tag == VERSION and raw:
            numbers[VERSION] = float(raw[0])
        elif tag in ITEMS:
            number = ITEMS[tag].decode(raw)
            if number is not None:
                numbers[tag] = number
    return numbers


def _read_tag(payload: bytes, at: int) -> tuple[int, int]:
    """Read a BER-OID tag: seven bits a byte, the last one below 128."""
    tag = 0
    for size in range(1, _MOST_LENGTH_BYTES + 1):
        if at >= len(payload):
            break
        byte = payload[at]
        at += 1
        tag = tag << 7 | byte & 0x7F
        if byte < _LONG_FORM:
            return tag, at
        if size == _MOST_LENGTH_BYTES:
            break
    raise MalformedError(MALFORMED)
