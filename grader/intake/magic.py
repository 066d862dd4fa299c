"""What a file that is no zip really is, from its first bytes."""

import string

HEAD_BYTES = 512
STARTS = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip file (such as .tar.gz)"),
    (b"BZh", "a bzip2 file (such as .tar.bz2)"),
    (b"\xfd7zXZ\x00", "an xz file (such as .tar.xz)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"MZ", "a Windows program (perhaps a self-extracting archive)"),
    (b"\x7fELF", "a Linux program"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"PK\x07\x08", "one part of a split zip"),
    (b"PK\x30\x30", "one part of a split zip"),
)
TAR_AT = 257
# Documents that are zips themselves, by a name that only they hold.
ZIPPED = (
    ("word/document.xml", "a Word document"),
    ("xl/workbook.xml", "an Excel workbook"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
    ("META-INF/manifest.xml", "an OpenDocument file"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
)
TEXT_BYTES = frozenset(string.printable.encode()) | frozenset(range(0x80, 0x100))


def real_type(head: bytes) -> str:
    """Name the kind of file that begins with `head`."""
    for start, name in STARTS:
        if head.startswith(start):
            return name
    if head[TAR_AT : TAR_AT + 5] == b"ustar":
        return "a tar archive"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page (perhaps the login page instead of the download)"
    return "a text file" if is_text(head) else "a file of unknown type"


def zipped_type(names: set[str]) -> str | None:
    """Name the kind of document that a zip with these names is, None where it is an ordinary zip."""
    return next((kind for name, kind in ZIPPED if name in names), None)


def is_text(head: bytes) -> bool:
    """Whether these bytes may begin a text; random bytes have a control character among them soon."""
    return TEXT_BYTES.issuperset(head)
