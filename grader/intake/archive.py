"""A zip, listed and read as if its author were an attacker.

The standard library parses the central directory; everything that can hurt is done here. Old versions of
zipfile do not see that entries overlap, and all of them trust the declared size of a directory and of a file,
and unpack bzip2 and LZMA in steps of any size. So: names, kinds and ranges are judged from the directory
alone, only what intake keeps is ever unpacked, with bounded steps and real byte counts, and a local header
must tell the same story as the directory, since another unzip may believe that one.
"""

import errno
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.errors import SubmissionRejected, UsageError
from grader.intake.listing import AGAIN, Caps, File, basename, joined, parent
from grader.intake.magic import HEAD_BYTES, real_type
from grader.intake.names import clean_path, quoted

CHUNK = 64 * 1024
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
ENCRYPTED = 0x1 | 0x40 | 0x2000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UTF8_NAME = 0x800
DOS_FOLDER = 0x10
# What zipfile raises on a malformed directory, from broken fields to names that are no UTF-8.
MALFORMED = (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, EOFError, OverflowError)


@dataclass
class ZipFolder:
    """A folder of a zip; see `Folder` in listing."""

    path: str = ""
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, "ZipFolder"] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


class _Listing:
    """The folders of a zip as its entries make them, no more of them than entries are allowed."""

    def __init__(self, source: Path, caps: Caps) -> None:
        self.top = ZipFolder()
        self._source = source
        self._left = caps.entries

    def folder(self, path: str) -> ZipFolder:
        """The folder at `path`, made where it is missing."""
        here = self.top
        for name in path.split("/") if path else ():
            if name in here.files:
                raise _twice(joined(here.path, name))
            if name not in here.folders:
                here.folders[name] = ZipFolder(joined(here.path, name))
                self._left -= 1
            here = here.folders[name]
        if self._left < 0:
            raise _too_many(self._source)
        return here

    def add(self, file: File) -> None:
        """Put a file where its path says."""
        folder, name = self.folder(parent(file.path)), basename(file.path)
        if name in folder.files or name in folder.folders:
            raise _twice(file.path)
        folder.files[name] = file


class _Bounded(io.FileIO):
    """Gives no more at a time than a directory may have, since zipfile asks for as much as is declared."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path)
        self._path = path
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        unbounded = size is None or size < 0 or size > self._limit
        data: bytes = super().read(self._limit + 1 if unbounded else size)
        if len(data) > self._limit:
            raise _too_many(self._path)
        return data


def read_zip(source: Path, caps: Caps) -> tuple[ZipFolder, list[str]]:
    """List a zip.

    Returns:
        Its top folder, and the paths whose Windows separators were read as folders.

    Raises:
        SubmissionRejected: it is no zip, damaged, or made to do harm.
        UsageError: it cannot be read.
    """
    try:
        _refuse_other_types(source)
        entries = _entries(source, caps)
    except OSError as error:
        raise UsageError(f"{quoted(str(source))} cannot be read: {error.strerror}.") from error
    listing, converted = _Listing(source, caps), []
    for info, end in entries:
        raw = _name(info)
        path = clean_path(raw, caps)
        flaw = _flaw(info, raw)
        if flaw is None and _is_folder(info, raw):
            listing.folder(path)
            continue
        if not path:
            raise SubmissionRejected(f"The entry {quoted(raw)} has no name.", AGAIN)
        listing.add(File(path, info.file_size, info.compress_size, _Content(source, info, path, end), flaw))
        if "\\" in raw:
            converted.append(path)
    return listing.top, converted


def _entries(source: Path, caps: Caps) -> list[tuple[zipfile.ZipInfo, int]]:
    with _Bounded(source, caps.directory_bytes) as raw:
        try:
            with zipfile.ZipFile(raw) as archive:
                entries, end = archive.infolist(), archive.start_dir
        except (*MALFORMED, OSError) as error:
            # A declared offset that no file can have ends as an invalid seek.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            problem = f"{quoted(source.name)} is damaged or incomplete ({quoted(str(error))})."
            raise SubmissionRejected(problem, AGAIN) from error
    if not entries:
        raise SubmissionRejected(f"{quoted(source.name)} is empty.", AGAIN)
    if len(entries) > caps.entries:
        raise _too_many(source)
    return _bounded(entries, end)


def _refuse_other_types(source: Path) -> None:
    with source.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise SubmissionRejected(f"{quoted(source.name)} is empty (0 bytes).", AGAIN)
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise SubmissionRejected(f"{quoted(source.name)} is not a zip but {real_type(head)}.", AGAIN)


def _bounded(entries: list[zipfile.ZipInfo], end: int) -> list[tuple[zipfile.ZipInfo, int]]:
    """Each entry and where the next one begins: none may share bytes, as in zips that unpack to petabytes."""
    inside = sorted(entries, key=lambda info: info.header_offset)
    if inside[0].header_offset != 0:
        raise SubmissionRejected("In the zip, foreign data stands before the first entry.", AGAIN)
    ends = [info.header_offset for info in inside[1:]] + [end]
    bounded = [*zip(inside, ends, strict=True)]
    for info, following in bounded:
        if info.header_offset + LOCAL_HEADER.size + info.compress_size > following:
            raise SubmissionRejected(f"The entry {quoted(_name(info))} overlaps with another one.", AGAIN)
    return bounded


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & UTF8_NAME else "cp437")


def _name(info: zipfile.ZipInfo) -> str:
    """The name in UTF-8, which macOS writes without saying so, or in the code page of old tools."""
    try:
        return _raw_name(info).decode()
    except UnicodeDecodeError:
        return info.orig_filename


def _is_folder(info: zipfile.ZipInfo, raw: str) -> bool:
    return raw.endswith(("/", "\\")) or stat.S_ISDIR(_mode(info)) or bool(info.external_attr & DOS_FOLDER)


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16


def _flaw(info: zipfile.ZipInfo, raw: str) -> SubmissionRejected | None:
    """What is wrong with an entry as such, judged by its mode whichever system it claims to come from."""
    kind, folder = stat.S_IFMT(_mode(info)), _is_folder(info, raw)
    setuid = _mode(info) & (stat.S_ISUID | stat.S_ISGID)
    instead, without = "Put the file itself in its place and zip again.", "Leave it out and zip again."
    for wrong, what, advice in (
        (kind == stat.S_IFLNK, "is a symbolic link", instead),
        (kind not in (0, stat.S_IFREG, stat.S_IFDIR), "is a device, pipe or socket and no file", without),
        (folder and info.file_size, "is a folder with content of its own", AGAIN),
        (setuid and not folder, "is marked setuid or setgid", "Run chmod u-s,g-s on it and zip again."),
        (info.flag_bits & ENCRYPTED and not folder, "is encrypted", AGAIN),
        (info.compress_type not in METHODS, f"is packed with the unusual method {info.compress_type}", AGAIN),
    ):
        if wrong:
            return SubmissionRejected(f"{quoted(raw)} {what}.", advice)
    return None


@dataclass(frozen=True)
class _Content:
    """Unpacks one entry on each call, piece by piece, and never more than is declared."""

    source: Path
    info: zipfile.ZipInfo
    path: str
    end: int

    def __call__(self) -> Generator[bytes, None, None]:
        count, checksum = 0, 0
        try:
            with self.source.open("rb") as stream:
                self._enter(stream)
                for piece in self._pieces(stream):
                    count += len(piece)
                    if count > self.info.file_size:
                        raise self._damaged("more comes out of it than it declares")
                    checksum = zlib.crc32(piece, checksum)
                    yield piece
        except zlib.error as error:
            raise self._damaged("its compressed data is broken") from error
        except OSError as error:
            raise UsageError(f"{quoted(str(self.source))} cannot be read: {error.strerror}.") from error
        if count != self.info.file_size:
            raise self._damaged("less comes out of it than it declares")
        if checksum != self.info.CRC:
            raise self._damaged("its checksum does not match")

    def _enter(self, stream: io.BufferedReader) -> None:
        """Go to the compressed data, past a local header that must agree with the directory."""
        stream.seek(self.info.header_offset)
        header = stream.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise self._damaged("its header is missing")
        _, _, flags, method, _, _, _, _, _, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
        name = stream.read(name_bytes)
        if name != _raw_name(self.info):
            raise self._damaged(f"its own header calls it {quoted(name.decode(errors='surrogateescape'))}")
        if method != self.info.compress_type or (flags ^ self.info.flag_bits) & ENCRYPTED:
            raise self._damaged("its own header says otherwise than the directory how it is packed")
        if stream.seek(extra_bytes, io.SEEK_CUR) + self.info.compress_size > self.end:
            raise self._damaged("it overlaps with another entry")

    def _pieces(self, stream: io.BufferedReader) -> Iterator[bytes]:
        left = self.info.compress_size
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if self.info.compress_type else None
        while left:
            packed = stream.read(min(CHUNK, left))
            if not packed:
                raise self._damaged("its end is missing")
            left -= len(packed)
            if inflate is None:
                yield packed
                continue
            while packed and not inflate.eof:
                yield inflate.decompress(packed, CHUNK)
                packed = inflate.unconsumed_tail
            if inflate.eof and (left or inflate.unused_data):
                raise self._damaged("something stands behind its compressed data")
        while inflate and not inflate.eof:
            piece = inflate.decompress(b"", CHUNK)
            if not piece and not inflate.eof:
                raise self._damaged("its end is missing")
            yield piece

    def _damaged(self, how: str) -> SubmissionRejected:
        return SubmissionRejected(f"{quoted(self.path)} in the zip is damaged: {how}.", AGAIN)


def _twice(path: str) -> SubmissionRejected:
    problem = f"The name {quoted(path)} occurs twice in the zip, as two files or as a file and a folder."
    return SubmissionRejected(problem, AGAIN)


def _too_many(source: Path) -> SubmissionRejected:
    advice = "Hand in the code and the report only, without data sets and environments."
    return SubmissionRejected(f"{quoted(source.name)} has too many entries.", advice)
