"""An object's bytes, as a destination's CompressionFormat wants them."""

import gzip
import io
import struct
import zipfile

from ministack.services import s3

_FRAME = 65_536
_HADOOP_BLOCK = 256 * 1024
_MASK = 0xFFFFFFFF


def compress(format_name: str, data: bytes) -> bytes:
    if format_name == "GZIP":
        return gzip.compress(data, compresslevel=1)
    if format_name == "ZIP":
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data", data)
        return whole.getvalue()
    if format_name == "Snappy":
        return b"\xff\x06\x00\x00sNaPpY" + b"".join(_frame(chunk) for chunk in _chunks(data, _FRAME))
    if format_name == "HADOOP_SNAPPY":
        return b"".join(_hadoop_block(chunk) for chunk in _chunks(data, _HADOOP_BLOCK))
    return data


def _chunks(data: bytes, size: int):
    return (data[at : at + size] for at in range(0, len(data), size))


def _snappy(data: bytes) -> bytes:
    import pyarrow  # only here: it takes a while and much memory

    return pyarrow.compress(data, codec="snappy", asbytes=True)


def _frame(chunk: bytes) -> bytes:
    crc = s3._crc32c(chunk)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _MASK
    body = struct.pack("<I", masked) + _snappy(chunk)
    return b"\x00" + struct.pack("<I", len(body))[:3] + body


def _hadoop_block(chunk: bytes) -> bytes:
    body = _snappy(chunk)
    return struct.pack(">II", len(chunk), len(body)) + body
