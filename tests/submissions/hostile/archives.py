"""Archives that broke or fooled some grader, made by code, each with its expected verdict beside it."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

from grader.intake import Caps, Reason
from tests.harness.packing import (
    AES,
    BZIP2,
    DEFLATE64,
    ENCRYPTED,
    HANDIN,
    LZMA,
    REGULAR,
    STORED,
    UTF8,
    Entry,
    raw_zip,
    under,
    zip_bytes,
)

SMALL = Caps(file_bytes=200_000, total_bytes=300_000)


class Verdict(StrEnum):
    """What becomes of an archive."""

    REFUSED = "refused at intake"
    CLEANED = "cleaned up, noted, graded"
    GRADED = "graded without a word"


@dataclass(frozen=True)
class Archive:
    """A case of the table.

    Args:
        name: the test's id.
        make: makes the bytes of the zip.
        verdict: what must become of it.
        says: part of the refusal's problem, or of the one note it must get.
        caps: smaller limits where the real ones would take long to reach.
    """

    name: str
    make: Callable[[], bytes]
    verdict: Verdict
    says: str = ""
    caps: Caps = field(default_factory=Caps)


BASE = tuple(Entry(f"group_7/{name}".encode(), content) for name, content in HANDIN.items())


def with_entries(*entries: Entry) -> bytes:
    """The ordinary hand-in and these entries."""
    return raw_zip((*BASE, *entries))


def with_files(files: dict[str, bytes]) -> bytes:
    """The ordinary hand-in and these files."""
    return zip_bytes({**under("group_7", HANDIN), **files})


def _named(name: str | bytes) -> Callable[[], bytes]:
    raw = name.encode() if isinstance(name, str) else name
    return partial(with_entries, Entry(raw, b"x = 1\n"))


def _moded(mode: int, name: bytes = b"group_7/dlvc/extra.py", system: int = 3) -> Callable[[], bytes]:
    return partial(with_entries, Entry(name, b"/etc/passwd", mode=mode, system=system))


def _metrics(**lies: Any) -> Callable[[], bytes]:
    """The ordinary hand-in whose dlvc/metrics.py lies in some fields."""

    def make() -> bytes:
        return raw_zip(replace(entry, **lies) if entry.name.endswith(b"/metrics.py") else entry for entry in BASE)

    return make


def _tar(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        info = tarfile.TarInfo("group_7/train.py")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    return stream.getvalue()


def _cut(part: float) -> bytes:
    whole = with_entries(Entry(b"group_7/dlvc/long.py", bytes(range(256)) * 40, method=STORED))
    return whole[: int(len(whole) * part)]


def _bomb(name: str = "group_7/dlvc/zeros.py", **lies: Any) -> bytes:
    return with_entries(replace(Entry(name.encode(), bytes(1_000_000)), **lies))


def _many_bombs() -> bytes:
    return with_entries(*(Entry(f"group_7/zeros{index}.py".encode(), bytes(150_000)) for index in range(4)))


def _shared_kernel() -> bytes:
    """Many names for one piece of data, as in the first overlapping zip bombs."""
    kernel = Entry(b"group_7/dlvc/a.py", bytes(100_000))
    start = len(b"".join(entry.local for entry in BASE))
    copies = (replace(kernel, name=f"group_7/dlvc/a{index}.py".encode(), offset=start) for index in range(50))
    return with_entries(kernel, *copies)


def _quoted_overlap() -> bytes:
    """An entry whose data is the whole next entry, so that every header of its own is in order."""
    inner = Entry(b"group_7/dlvc/inner.py", b"x = 1\n")
    outer = Entry(b"group_7/dlvc/outer.py", inner.local, method=STORED)
    start = len(b"".join(entry.local for entry in BASE))
    at = start + len(outer.local) - len(inner.local)
    return with_entries(outer, replace(inner, offset=at))


def _extra_overlap() -> bytes:
    """An entry that declares the next header to be its extra field, so that both share the data behind it."""
    inner = Entry(b"group_7/dlvc/inner.py", b"x = 1\n", method=STORED)
    header = inner.local[: -len(inner.data)]
    outer = replace(inner, name=b"group_7/dlvc/outer.py", local_extra=header)
    start = len(b"".join(entry.local for entry in BASE))
    return with_entries(outer, replace(inner, offset=start + len(outer.local) - len(inner.local)))


def _many(count: int) -> bytes:
    return raw_zip(Entry(b"group_7/%d.py" % index, packed=b"", method=STORED) for index in range(count))


def _many_folders() -> bytes:
    """Few entries, but each in some thirty folders of its own."""
    return with_entries(*(Entry(b"/".join([b"%d" % index] * 30)) for index in range(10)))


def _zip64_lie() -> bytes:
    return with_entries(Entry(b"group_7/dlvc/big.py", b"x", size=0xFFFFFFFF, extra=struct.pack("<HH", 1, 0)))


def _virtualenv() -> bytes:
    return with_entries(
        Entry(b"group_7/env/pyvenv.cfg", b"home = /usr\n"),
        Entry(b"group_7/env/bin/python", b"/usr/bin/python3", mode=stat.S_IFLNK | 0o777),
        Entry(b"group_7/env/lib/python3.11/site-packages/dlvc/metrics.py", b"x"),
        Entry(b"group_7/env/lib/python3.11/site-packages/dlvc/trainer.py", b"x"),
    )


def _refused() -> tuple[Archive, ...]:
    rows: tuple[tuple[str, Callable[[], bytes], str], ...] = (
        # not a zip
        ("rar", lambda: b"Rar!\x1a\x07\x01\x00" + bytes(100), "a RAR archive"),
        ("7z", lambda: b"7z\xbc\xaf\x27\x1c" + bytes(100), "a 7-Zip archive"),
        ("gzip", lambda: gzip.compress(b"x"), "a gzip file"),
        ("tar-gz", lambda: _tar("w:gz"), "a gzip file"),
        ("tar", lambda: _tar("w"), "a tar archive"),
        ("xz", lambda: lzma.compress(b"x"), "an xz file"),
        ("bzip2", lambda: bz2.compress(b"x"), "a bzip2 file"),
        ("pdf", lambda: b"%PDF-1.7\n", "a PDF"),
        ("pdf-with-a-zip-behind", lambda: b"%PDF-1.7\n" + with_entries(), "a PDF"),
        ("text", lambda: b"see my repository\n", "a text file"),
        ("login-page", lambda: b"\n<!DOCTYPE html><html>", "a web page"),
        ("noise", lambda: bytes(range(200)), "unknown type"),
        ("empty-file", lambda: b"", "is empty"),
        ("empty-zip", lambda: raw_zip(()), "is empty"),
        ("word-document", lambda: zip_bytes({"word/document.xml": b"<x/>"}), "a Word document"),
        # damaged
        ("cut-in-half", lambda: _cut(0.5), "damaged"),
        ("without-its-end", lambda: with_entries()[:-22], "damaged"),
        ("without-its-last-byte", lambda: with_entries()[:-1], "damaged"),
        ("wrong-checksum", _metrics(checksum=1), "checksum"),
        ("broken-deflate", _metrics(packed=b"\xff" * 30), "damaged"),
        ("half-a-deflate-stream", _metrics(packed=b"\x00\x05\x00\xfa\xffab"), "end is missing"),
        ("data-behind-the-stream", _metrics(packed=b"\x03\x00PAYLOAD", size=0, checksum=0), "stands behind"),
        ("declares-less", _metrics(size=3), "more comes out"),
        ("declares-more", _metrics(size=3000), "less comes out"),
        ("directory-cut", lambda: raw_zip(BASE, directory_bytes=100), "damaged"),
        ("directory-of-4-gib", lambda: raw_zip(BASE, directory_bytes=0xFFFFFFF0), "damaged"),
        ("zip64-without-size", _zip64_lie, "damaged"),
        ("offset-behind-the-end", _metrics(offset=1_000_000), "overlaps"),
        ("two-zips-in-a-row", lambda: with_entries() + with_entries(), "foreign data"),
        # two stories
        ("other-local-name", _metrics(local_name=b"group_7/dlvc/evil.py"), "'group_7/dlvc/evil.py'"),
        ("other-local-method", _metrics(local_method=STORED), "otherwise"),
        ("locally-encrypted", _metrics(local_flags=UTF8 | ENCRYPTED), "otherwise"),
        # packed in ways that are not read
        ("encrypted", _metrics(flags=UTF8 | ENCRYPTED), "is encrypted"),
        ("aes", _metrics(flags=UTF8 | ENCRYPTED, method=AES, packed=b"x"), "is encrypted"),
        ("strongly-encrypted", _metrics(flags=UTF8 | 0x40), "is encrypted"),
        ("by-bzip2", _metrics(method=BZIP2), "method 12"),
        ("by-lzma", _metrics(method=LZMA, packed=b"x"), "method 14"),
        ("by-deflate64", _metrics(method=DEFLATE64), "method 9"),
        ("by-something", _metrics(method=4711, packed=b"x"), "method 4711"),
        # leading out
        ("parent", _named("../evil.py"), "leads out"),
        ("parent-in-between", _named("group_7/dlvc/../../../evil.py"), "leads out"),
        ("parent-at-the-end", _named("group_7/dlvc/.."), "leads out"),
        ("parent-within", _named("group_7/dlvc/../evil.py"), "leads out"),
        ("parent-in-a-cache", _named("__MACOSX/../../evil.py"), "leads out"),
        ("windows-parent", _named("..\\..\\evil.py"), "leads out"),
        ("mixed-parent", _named("group_7\\../..\\evil.py"), "leads out"),
        ("absolute", _named("/etc/cron.d/evil"), "absolute path"),
        ("windows-absolute", _named("\\Windows\\evil.py"), "absolute path"),
        ("drive", _named("C:\\evil.py"), "absolute path"),
        ("drive-relative", _named("c:evil.py"), "absolute path"),
        ("unc", _named("\\\\server\\share\\evil.py"), "network path"),
        ("unc-device", _named("\\\\?\\C:\\evil.py"), "network path"),
        ("unc-by-slashes", _named("//server/share/evil.py"), "network path"),
        # neither file nor folder
        ("symlink", _moded(stat.S_IFLNK | 0o777), "symbolic link"),
        ("symlink-as-folder", _moded(stat.S_IFLNK | 0o777, b"group_7/data/"), "symbolic link"),
        ("symlink-from-dos", _moded(stat.S_IFLNK | 0o777, system=0), "symbolic link"),
        ("fifo", _moded(stat.S_IFIFO | 0o644), "device, pipe"),
        ("character-device", _moded(stat.S_IFCHR | 0o644), "device, pipe"),
        ("block-device", _moded(stat.S_IFBLK | 0o644), "device, pipe"),
        ("socket", _moded(stat.S_IFSOCK | 0o644), "device, pipe"),
        ("setuid", _moded(stat.S_IFREG | 0o4755), "setuid"),
        ("setgid", _moded(stat.S_IFREG | 0o2755), "setuid"),
        ("folder-with-content", _moded(REGULAR, b"group_7/dlvc/x.py/"), "content of its own"),
        ("file-marked-as-folder", _moded(stat.S_IFDIR | 0o755), "content of its own"),
        # overlapping and many
        ("one-header-twice", _shared_kernel, "overlaps"),
        ("quoted-overlap", _quoted_overlap, "overlaps"),
        ("extra-field-overlap", _extra_overlap, "overlaps"),
        ("into-the-directory", _metrics(packed_size=100_000), "overlaps"),
        ("65k-entries", lambda: _many(65_536), "too many entries"),
        ("65k-entries-declared-as-one", lambda: raw_zip([*_entries(65_536)], count=1), "too many entries"),
        # names twice
        ("twice", _named("group_7/dlvc/metrics.py"), "occurs twice"),
        ("twice-by-dot", _named("group_7/./dlvc//metrics.py"), "occurs twice"),
        ("twice-by-backslash", _named("group_7\\dlvc\\metrics.py"), "occurs twice"),
        (
            "twice-by-unicode",
            lambda: with_files({"group_7/\xe9.py": b"", "group_7/e\u0301.py": b""}),
            "twice",
        ),
        ("file-and-folder", _named("group_7/train.py/x.py"), "occurs twice"),
        ("folder-and-file", _named("group_7/dlvc"), "occurs twice"),
        ("file-and-empty-folder", lambda: with_entries(Entry(b"group_7/train.py/")), "occurs twice"),
        # names that cannot be shown or stored
        ("nul", _named("group_7/dlvc/a\0.py"), "\\x00"),
        ("nul-hides-suffix", _named("group_7/dlvc/metrics.py\0.txt"), "\\x00"),
        ("newline", _named("group_7/a\nb.py"), "\\n"),
        ("carriage-return", _named("group_7/a\rb.py"), "\\r"),
        ("ansi", _named("group_7/\x1b[2J\x1b[31mred.py"), "\\x1b[2J"),
        ("c1-control", _named("group_7/\x9b31m.py"), "\\x9b"),
        ("delete", _named("group_7/\x7f.py"), "\\x7f"),
        ("right-to-left", _named("group_7/dlvc/\u202eyp.scirtem"), "\\u202e"),
        ("isolate", _named("group_7/\u2066x\u2069.py"), "\\u2066"),
        ("line-separator", _named("group_7/a\u2028b.py"), "\\u2028"),
        ("no-utf-8", _named(b"group_7/\xff\xfe.py"), "damaged"),
        ("no-name", _named(b""), "has no name"),
        ("only-dots", _named("././."), "has no name"),
        ("long-name", _named("group_7/" + "n" * 300 + ".py"), "too long"),
        ("long-name-in-bytes", _named("group_7/" + "\xfc" * 130 + ".py"), "too long"),
        ("long-path", _named("/".join(["group_7", *["n" * 200] * 6])), "too long"),
        ("deep", _named("group_7/" + "d/" * 40 + "x.py"), "too long"),
        # not one package
        ("no-package", lambda: zip_bytes({"group_7/main.py": b""}), "'group_7/main.py'"),
        ("only-left-out", lambda: zip_bytes({"x/.git/config": b""}), "x/.git (left out)"),
        ("empty-folders", lambda: raw_zip([Entry(b"dlvc/models/"), Entry(b"dlvc/dataset/")]), "no package"),
        ("zip-in-zip", lambda: zip_bytes({"group_7.zip": with_entries()}), "another archive inside"),
        ("rar-in-zip", lambda: zip_bytes({"x/group_7.rar": b"Rar!"}), "another archive inside"),
        ("two-packages", lambda: with_files(under("old", HANDIN)), "'group_7/dlvc', 'old/dlvc'"),
        ("package-in-package", lambda: with_files(under("group_7/dlvc", HANDIN)), "'group_7/dlvc/dlvc'"),
        (
            "renamed-beside-named",
            lambda: with_files({"group_7/dlvc2/metrics.py": b"", "group_7/dlvc2/trainer.py": b""}),
            "'group_7/dlvc2'",
        ),
    )
    return tuple(Archive(name, make, Verdict.REFUSED, says) for name, make, says in rows)


def _entries(count: int) -> Iterable[Entry]:
    return (Entry(b"group_7/%d.py" % index, packed=b"", method=STORED) for index in range(count))


def _bombs() -> tuple[Archive, ...]:
    rows: tuple[tuple[str, Callable[[], bytes], str], ...] = (
        ("bomb", _bomb, "unpacks to"),
        ("bomb-that-is-no-code", partial(_bomb, "group_7/zeros.txt"), "unpacks to"),
        ("bomb-declared-small", partial(_bomb, size=10, checksum=0), "more comes out"),
        ("bomb-within-the-cap", partial(_bomb, size=150_000), "more comes out"),
        ("bomb-as-report", partial(_bomb, "group_7/report2.pdf", size=10), "more comes out"),
        ("bombs-together", _many_bombs, "too much"),
        ("stored-and-large", partial(_bomb, method=STORED), "unpacks to"),
    )
    few = Caps(files=20)
    return (
        *(Archive(name, make, Verdict.REFUSED, says, caps=SMALL) for name, make, says in rows),
        Archive("many-folders", _many_folders, Verdict.REFUSED, "too many entries", caps=Caps(entries=60)),
        Archive("many-files", lambda: with_entries(*_entries(30)), Verdict.REFUSED, "at most 20", caps=few),
        Archive(
            "directory-over-the-cap",
            lambda: with_entries(*_entries(200)),
            Verdict.REFUSED,
            "too many entries",
            caps=Caps(directory_bytes=10_000),
        ),
    )


def _left_out() -> tuple[Archive, ...]:
    pickled, text = b"\x80\x02" + bytes(99), b"x"
    rows: tuple[tuple[str, dict[str, bytes], Reason], ...] = (
        ("macosx", under("__MACOSX/group_7", HANDIN), Reason.TOOLS),
        ("apple-double", {"group_7/dlvc/._metrics.py": b"\0\5\x16\7"}, Reason.TOOLS),
        ("ds-store", {"group_7/.DS_Store": text}, Reason.TOOLS),
        ("thumbs-db", {"group_7/Thumbs.db": text}, Reason.TOOLS),
        ("git", under("group_7/.git/copy", HANDIN), Reason.TOOLS),
        ("idea", {"group_7/.idea/workspace.xml": text}, Reason.TOOLS),
        ("vscode", {"group_7/.vscode/settings.json": text}, Reason.TOOLS),
        ("bytecode", {"group_7/dlvc/__pycache__/x.cpython-311.pyc": text}, Reason.TOOLS),
        ("loose-bytecode", {"group_7/dlvc/metrics.pyc": text}, Reason.TOOLS),
        ("notebook-checkpoints", {"group_7/.ipynb_checkpoints/a.ipynb": text}, Reason.TOOLS),
        ("zone-identifier", {"group_7/train.py:Zone.Identifier": text}, Reason.TOOLS),
        ("virtualenv", {"group_7/env/pyvenv.cfg": text, "group_7/env/bin/x": text}, Reason.VIRTUALENV),
        ("virtualenv-around", {"group_7/pyvenv.cfg": text, "group_7/lib/x.py": text}, Reason.VIRTUALENV),
        ("pets", {"group_7/data/oxford-iiit-pet/images/pug_1.jpg": text}, Reason.DATA),
        ("streets", {"data/leftImg8bit/train/aachen/a.png": text}, Reason.DATA),
        ("street-masks", {"group_7/gtFine_trainvaltest/README": text}, Reason.DATA),
        ("pictures", {f"group_7/p/{n}.JPG": text for n in range(201)}, Reason.DATA),
        ("weights", {"group_7/model.pth": pickled}, Reason.WEIGHTS),
        ("pickle-payload", {"m.pth": b"\x80\x02cos\nsystem\n."}, Reason.WEIGHTS),
        ("weights-in-results", {"group_7/results/a.ckpt": text}, Reason.WEIGHTS),
        ("weights-in-wandb", {"group_7/wandb/run-1/a.onnx": text}, Reason.WEIGHTS),
        ("arrays", {"group_7/w.npz": bytes(2_000_000)}, Reason.WEIGHTS),
        ("logs", {"group_7/logs/a.txt": text}, Reason.RESULTS),
        ("tensorboard", {"group_7/runs/May_01/events.out": text}, Reason.RESULTS),
        ("wandb", {"group_7/wandb/run-1/files/code/train.py": text}, Reason.RESULTS),
        ("build", under("group_7/build/lib", HANDIN), Reason.RESULTS),
        ("conftest", {"group_7/conftest.py": text}, Reason.STARTUP),
        ("conftest-in-package", {"group_7/dlvc/conftest.py": text}, Reason.STARTUP),
        ("pytest-ini", {"group_7/pytest.ini": text}, Reason.STARTUP),
        ("tox-ini", {"group_7/tox.ini": text}, Reason.STARTUP),
        ("setup-cfg", {"group_7/setup.cfg": text}, Reason.STARTUP),
        ("sitecustomize", {"group_7/sitecustomize.py": text}, Reason.STARTUP),
        ("usercustomize-package", {"group_7/usercustomize/__init__.py": text}, Reason.STARTUP),
        ("compiled-sitecustomize", {"group_7/sitecustomize.abi3.so": text}, Reason.STARTUP),
        ("site-path", {"group_7/a.pth": b"import os; os.abort()\n"}, Reason.STARTUP),
        ("inner-zip", {"group_7/dlvc.zip": b"PK\3\4"}, Reason.ARCHIVE),
        ("outside", {"notes.txt": text}, Reason.OUTSIDE),
    )
    return tuple(Archive(name, partial(with_files, files), Verdict.CLEANED, says) for name, files, says in rows)


def _odd() -> tuple[Archive, ...]:
    """What a student's computer may do without any ill will, and hostile entries where nobody looks."""
    deep = under("Group 7_123_assignsubmission_file_/group_7", HANDIN)
    windows = {name.replace("/", "\\"): data for name, data in under("group_7", HANDIN).items()}
    link, cleaned = stat.S_IFLNK | 0o777, Verdict.CLEANED
    half, pdf = bytes(range(256)) * 1000, "group_7/notes.pdf"
    rows: tuple[tuple[str, Callable[[], bytes], Verdict, str], ...] = (
        ("ordinary", with_entries, Verdict.GRADED, ""),
        ("no-wrapper", lambda: zip_bytes(HANDIN), Verdict.GRADED, ""),
        ("wrappers", lambda: zip_bytes(deep), cleaned, "more than one wrapper"),
        ("backslashes", lambda: zip_bytes(windows), cleaned, Reason.SEPARATOR),
        ("folder-entries", partial(with_entries, *[Entry(b"group_7/dlvc/")] * 2), Verdict.GRADED, ""),
        (
            "setgid-folder",
            lambda: with_entries(Entry(b"group_7/x/", mode=stat.S_IFDIR | 0o2775)),
            Verdict.GRADED,
            "",
        ),
        ("linked-virtualenv", _virtualenv, cleaned, Reason.VIRTUALENV),
        ("linked-weights", _moded(link, b"group_7/best.pt"), cleaned, Reason.WEIGHTS),
        (
            "encrypted-cache",
            lambda: with_entries(Entry(b"__MACOSX/x", flags=ENCRYPTED)),
            cleaned,
            Reason.TOOLS,
        ),
        ("damaged-weights", lambda: with_entries(Entry(b"m.pth", packed=b"\xff")), cleaned, Reason.WEIGHTS),
        ("bomb-as-weights", partial(_bomb, "group_7/zeros.pt"), cleaned, Reason.WEIGHTS),
        ("bomb-as-pdf", partial(_bomb, pdf), cleaned, Reason.LARGE),
        ("large-video", partial(with_files, {"group_7/a.mp4": half}), cleaned, Reason.LARGE),
    )
    return tuple(Archive(name, make, verdict, says, caps=SMALL) for name, make, verdict, says in rows)


ARCHIVES = (*_refused(), *_bombs(), *_left_out(), *_odd())
